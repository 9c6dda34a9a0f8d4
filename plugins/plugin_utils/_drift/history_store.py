# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of drift runs: what is in it, and how it is opened. Private to this collection.

What is not understood is never written to, nor removed: it may be all that somebody has. It has the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import typing as t
from collections.abc import Iterator
from pathlib import Path

# In the header of the file (`file` shows it): this number makes it ours, whatever its name.
APPLICATION = 0x72736472
# Raised when an older version of this collection would misunderstand the tables.
SCHEMA = 1
BUSY_SECONDS = 5.0
# A spell is a time in which a finding was there. What is repaired and comes back has two, and its text once.
# Times are those of the runs' beginnings. Runs are ordered by number: a clock can be set back.
TABLES = (
    """CREATE TABLE runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT NOT NULL, verdict TEXT NOT NULL, exit_code INTEGER NOT NULL,
    version TEXT NOT NULL, left_out TEXT NOT NULL)""",
    "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE verdicts (
    host INTEGER NOT NULL REFERENCES hosts ON DELETE CASCADE, run INTEGER NOT NULL, verdict TEXT NOT NULL,
    compared INTEGER NOT NULL, differences INTEGER NOT NULL, PRIMARY KEY (host, run)) WITHOUT ROWID""",
    """CREATE TABLE findings (
    id INTEGER PRIMARY KEY, host INTEGER NOT NULL REFERENCES hosts ON DELETE CASCADE, fingerprint TEXT NOT NULL,
    role TEXT, task TEXT NOT NULL, file TEXT, line INTEGER, items TEXT NOT NULL, diff TEXT, hidden INTEGER NOT NULL,
    by_turns INTEGER NOT NULL, UNIQUE (host, fingerprint))""",
    """CREATE TABLE spells (
    finding INTEGER NOT NULL REFERENCES findings ON DELETE CASCADE, first_run INTEGER NOT NULL, first_seen TEXT NOT NULL,
    last_run INTEGER NOT NULL, last_seen TEXT NOT NULL, runs INTEGER NOT NULL, missed INTEGER NOT NULL,
    ended_run INTEGER, ended TEXT, ending TEXT, PRIMARY KEY (finding, first_run)) WITHOUT ROWID""",
)
NEW_ONE = "move it away: the next run begins a new one"
# What SQLite says -> what to do about it. Whatever else it says is damage.
WAYS_OUT = {
    "locked": f"another program has held it for more than {BUSY_SECONDS:.0f} s: end that program",
    "readonly": "make it and its folder writable for the user of the run",
    "unable to open": "make it and its folder writable for the user of the run",
    "is full": "make room on its disk",
    "I/O error": "look after its disk, and after the room on it",
}


class HistoryError(Exception):
    """Why there is no history: the file, what was found, what to do."""


def beside(report: Path) -> Path:
    return report.with_suffix(".db")


@contextlib.contextmanager
def to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as it is at one moment; an empty one in memory if there is none yet."""
    found = _is_file(path)
    with contextlib.ExitStack() as held:
        database = held.enter_context(_connected(path, ":memory:" if not found else _address(path), "DEFERRED"))
        if _is_new(path, database):
            # A file without a byte is what a run leaves that was interrupted at once.
            if found:
                raise HistoryError(f"{path}: found an empty file; the next run begins it")
            _make(database)
        yield database


@contextlib.contextmanager
def to_write(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, made if there is none; all that is written comes in, or nothing."""
    if not _is_file(path):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        except OSError as error:
            raise HistoryError(f"{path}: {error.strerror}; {WAYS_OUT['readonly']}") from error
    with contextlib.ExitStack() as held:
        database = held.enter_context(_connected(path, _address(path), "IMMEDIATE"))
        if _is_new(path, database):
            _make(database)
        # All of it, not only what this run touches: a night that is written into a damaged file is lost with it.
        damage = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise HistoryError(
                f"{path}: found damage ({' '.join(damage.split())}); expected the database of drift runs; {NEW_ONE}"
            )
        yield database


def _is_file(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}; {WAYS_OUT['readonly']}") from error
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no regular file"
        raise HistoryError(f"{path}: found {kind}; expected the database of drift runs; {NEW_ONE}")
    return True


def _address(path: Path) -> str:
    # `rw`: nobody but this module makes the file. A reader may have to undo what a run has left that was killed.
    return f"{path.absolute().as_uri()}?mode=rw"


@contextlib.contextmanager
def _connected(path: Path, address: str, kind: t.Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute(f"BEGIN {kind}")
            try:
                yield database
            except Exception:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
    except sqlite3.Error as error:
        way_out = next((way for word, way in WAYS_OUT.items() if word in str(error)), NEW_ONE)
        raise HistoryError(f"{path}: found '{error}'; expected the database of drift runs; {way_out}") from error


def _is_new(path: Path, database: sqlite3.Connection) -> bool:
    """Whether there is nothing in it. Raises HistoryError if there is something else than expected."""
    application, version, content = (
        database.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if not (application or version or content):
        return True
    if application != APPLICATION:
        raise HistoryError(f"{path}: found the database of another program; expected that of drift runs; {NEW_ONE}")
    if version != SCHEMA:
        raise HistoryError(
            f"{path}: found version {version} of the database; this collection knows version {SCHEMA}; "
            "update the collection, or move the file away: the next run begins a new one"
        )
    return False


def _make(database: sqlite3.Connection) -> None:
    for statement in (*TABLES, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {SCHEMA}"):
        database.execute(statement)
