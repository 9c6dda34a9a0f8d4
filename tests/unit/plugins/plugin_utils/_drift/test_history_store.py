# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that is damaged, held, foreign or newer: it is told, and stays as it was."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import history, history_store
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.history_store import HistoryError
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import Nights, day, edit, report

# Begins a transaction, says so, and keeps it until its standard input ends.
HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
# Takes a run in, as a process of its own.
RUN = """
import json, sys
from pathlib import Path
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import history
told = json.loads(sys.stdin.readline())
print("ready", flush=True)
sys.stdin.readline()
history.record(Path(sys.argv[1]), told, exit_code=0, left_out="")
"""


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


@contextlib.contextmanager
def held(path: Path) -> t.Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate()


def edited(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def text(path: Path) -> None:
    path.write_text("my notes\n" * 200)


def short_text(path: Path) -> None:
    path.write_text("my notes")


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def in_a_corner(path: Path) -> None:
    """In a page that the next run has no reason to look at."""
    content = bytearray(path.read_bytes())
    place = content.rindex(b"0 7") // 4096 * 4096
    content[place : place + 16] = b"\xff" * 16
    path.write_bytes(content)


def newer(path: Path) -> None:
    edited(path, f"PRAGMA user_version = {history_store.SCHEMA + 1}")


def foreign(path: Path) -> None:
    path.unlink()
    edited(path, "CREATE TABLE notes (text)", f"PRAGMA user_version = {history_store.SCHEMA}")


def foreign_without_version(path: Path) -> None:
    path.unlink()
    edited(path, "CREATE TABLE notes (text)")


def without_a_table(path: Path) -> None:
    edited(path, "DROP TABLE verdicts")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (text, "file is not a database"),
        (short_text, "file is not a database"),
        (truncated, "malformed"),
        (overwritten, "damage|malformed"),
        (newer, "version 2 of the database; this collection knows version 1; update the collection"),
        (foreign, "the database of another program"),
        (foreign_without_version, "the database of another program"),
        (without_a_table, "no such table"),
    ],
)
def test_what_is_not_understood_is_told_and_stays_as_it_is(nights: Nights, damage: t.Callable[[Path], None], said: str) -> None:
    for number in range(3):
        nights.run(number, *(edit(f"{number} {name}") for name in range(50)))
    damage(nights.path)
    before = nights.path.read_bytes()
    for use in (lambda: nights.run(3, edit("x")), lambda: history.told(nights.path), lambda: history.nights(nights.path)):
        with pytest.raises(HistoryError, match=said) as told:
            use()
        assert str(told.value).startswith(f"{nights.path}: found ")
        assert "move " in str(told.value)
        assert "\n" not in str(told.value)
    assert nights.path.read_bytes() == before


@pytest.mark.parametrize("target", ["database", "nothing"])
def test_a_link_in_its_place_is_not_followed(nights: Nights, target: str) -> None:
    if target == "database":
        nights.run(0, edit("x"))
        nights.path.rename(nights.path.with_name("database"))
    nights.path.symlink_to(target)
    before = sorted((path.name, path.stat().st_size) for path in nights.path.parent.iterdir() if path.exists())
    for use in (lambda: nights.run(1), lambda: history.told(nights.path)):
        with pytest.raises(HistoryError, match="found a link"):
            use()
    assert sorted((path.name, path.stat().st_size) for path in nights.path.parent.iterdir() if path.exists()) == before


def test_a_link_that_comes_after_the_look_is_not_followed_either(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.path.symlink_to("nothing")
    monkeypatch.setattr(history_store, "_is_file", lambda _path: False)
    with pytest.raises(HistoryError, match="symbolic link"):
        nights.run(0)
    assert not nights.path.with_name("nothing").exists()


def test_one_that_is_gone_after_the_look_is_not_made_by_a_reader(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_store, "_is_file", lambda _path: True)
    with pytest.raises(HistoryError, match="unable to open"):
        history.told(nights.path)
    assert not nights.path.exists()


def test_a_folder_or_a_pipe_in_its_place_is_told(nights: Nights) -> None:
    nights.path.mkdir()
    with pytest.raises(HistoryError, match="found no regular file"):
        nights.run(0)
    nights.path.rmdir()
    os.mkfifo(nights.path)
    with pytest.raises(HistoryError, match="found no regular file"):
        history.nights(nights.path)


def test_an_empty_file_is_what_an_interrupted_run_left(nights: Nights) -> None:
    nights.path.touch()
    with pytest.raises(HistoryError, match="found an empty file"):
        history.nights(nights.path)
    nights.run(0, edit("x"))
    assert nights.findings() == [("Write x", "new", day(0), None, 1)]


def test_a_folder_that_is_not_there_or_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        with pytest.raises(HistoryError, match="make it and its folder writable"):
            Nights(tmp_path / folder).run(0)
    assert history.nights(tmp_path / "nowhere" / "drift.db") == {}


def test_one_that_another_program_holds_is_waited_for_and_told(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.run(0, edit("x"))
    monkeypatch.setattr(history_store, "BUSY_SECONDS", 0.2)
    with held(nights.path):
        for use in (lambda: nights.run(1), lambda: history.told(nights.path)):
            with pytest.raises(HistoryError, match=r"locked.*end that program"):
                use()
    nights.run(1, edit("x"))
    assert nights.findings() == [("Write x", "open", day(0), None, 2)]


def test_two_runs_at_once_both_come_in(nights: Nights) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", RUN, str(nights.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _number in range(4)
    ]
    for number, process in enumerate(processes):
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(report(number, {"gpu-01": [edit(str(item)) for item in range(300)]})) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    assert {told[4] for told in nights.findings()} == {4}
    assert len(nights.findings()) == 300


def test_what_a_killed_run_left_half_written_is_undone(nights: Nights) -> None:
    nights.run(0, edit("x"))
    # Spills to the file before it ends, as a long transaction does, and does not come to its end.
    dies = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN IMMEDIATE');"
        "[db.execute('INSERT INTO hosts (name) VALUES (?)', (f'{n}' * 500,)) for n in range(500)]; os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", dies, str(nights.path)], check=False).returncode == 9
    assert nights.path.with_name("drift.db-journal").exists()
    assert list(history.told(nights.path)["hosts"]) == ["gpu-01"]
    nights.run(1, edit("x"))
    assert nights.findings() == [("Write x", "open", day(0), None, 2)]


def test_no_room_is_told_and_what_was_there_stays(nights: Nights) -> None:
    nights.run(0, edit("x"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nights.path.stat().st_size, hard))
    try:
        with pytest.raises(HistoryError, match="room on"):
            nights.run(1, *(edit(f"{name}" * 100) for name in range(200)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert nights.findings() == [("Write x", "new", day(0), None, 1)]


@contextlib.contextmanager
def as_anybody() -> t.Iterator[Path]:
    """A folder, and a user to whom it can be read-only; to root nothing is."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        anybody = user or 65534
        os.chown(folder, anybody, -1)
        os.seteuid(anybody)
        try:
            yield Path(folder)
        finally:
            Path(folder).chmod(0o700)
            os.seteuid(user)


def test_one_that_may_only_be_read_is_read_and_told() -> None:
    with as_anybody() as folder:
        nights = Nights(folder)
        nights.run(0, edit("x"))
        nights.path.chmod(0o400)
        with pytest.raises(HistoryError, match=r"readonly.*make it and its folder writable"):
            nights.run(1)
        nights.path.chmod(0o600)
        folder.chmod(0o500)
        with pytest.raises(HistoryError, match=r"make it and its folder writable"):
            nights.run(1)
        assert nights.findings() == [("Write x", "new", day(0), None, 1)]
        nights.path.chmod(0)
        with pytest.raises(HistoryError, match="make it and its folder writable"):
            nights.findings()


def test_a_folder_in_which_it_cannot_be_made_is_told() -> None:
    with as_anybody() as folder:
        folder.chmod(0o500)
        with pytest.raises(HistoryError, match=r"Permission denied; make it and its folder writable"):
            Nights(folder).run(0)


def test_a_name_with_signs_of_addresses_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory#%41 \u00fc.db"
    nights = Nights(tmp_path)
    nights.path = path
    nights.run(0, edit("x"))
    assert path.stat().st_size
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


def test_damage_where_a_run_does_not_look_is_found_before_it_is_written_to(nights: Nights) -> None:
    for number in range(3):
        nights.run(number, *(edit(f"{number} {name}") for name in range(50)))
    in_a_corner(nights.path)
    before = nights.path.read_bytes()
    with pytest.raises(HistoryError, match="found damage"):
        nights.run(3, host="gpu-02")
    assert nights.path.read_bytes() == before
