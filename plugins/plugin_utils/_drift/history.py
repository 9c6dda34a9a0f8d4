# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drift runs have found so far: since when a finding is there, and when it was repaired. Private to this collection.

A report knows the one before it. This knows the nights on which a host could not be compared as well: they repair nothing.
"""

from __future__ import annotations

import datetime
import json
import re
import sqlite3
import typing as t
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .history_store import to_read, to_write
from .report import label

# What one would want to see next to each other: this season and the same one last year.
KEEP_DAYS = 400
# Kept whatever their dates: a clock that was wrong for a night must not make a run forget all others.
KEEP_RUNS = 30
NIGHTS = 30
# Verdicts that say that a host was compared to the end.
COMPARED = frozenset(["clean", "drift"])
# Some files are read by turns, each within a week; what forged their times is seen on one night, and not on the next.
TURNS = 7
# How an environment says that a file was read, and is another: a file that is missing is missed every night.
_READ_BY_TURNS = (": altered", "verify=full")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


class _Run(t.NamedTuple):
    id: int
    started: str
    whole: bool


def record(path: Path, report: Mapping[str, t.Any], *, exit_code: int, left_out: str, keep_days: int = KEEP_DAYS) -> None:
    """Take a run in.

    :param left_out: why findings may be missing that are still there; empty if every task was asked that a host has.
    """
    with to_write(path) as database:
        number = database.execute(
            "INSERT INTO runs (started, finished, verdict, exit_code, version, left_out) VALUES (?, ?, ?, ?, ?, ?)",
            (*(report[key] for key in ("started", "finished", "verdict")), exit_code, report["collection"]["version"], left_out),
        ).lastrowid
        run = _Run(number or 0, report["started"], not left_out)
        for name, host in report["hosts"].items():
            _take_in(database, run, name, host)
        finished = datetime.datetime.fromisoformat(report["finished"])
        _forget(database, (finished - datetime.timedelta(days=keep_days)).isoformat(timespec="seconds"))


def nights(path: Path, count: int = NIGHTS) -> dict[str, list[tuple[str, str]]]:
    """Host -> (when a run was finished, its verdict), the oldest first. Runs that left something out are no nights."""
    with to_read(path) as database:
        hosts = {name: _nights(database, host, count) for host, name in _hosts(database)}
    return {name: [(night["finished"], night["verdict"]) for night in told] for name, told in hosts.items() if told}


def since(path: Path) -> dict[tuple[str, str], str]:
    """(Host, fingerprint) -> when it was first seen, for what has not been repaired since."""
    with to_read(path) as database:
        rows = database.execute(
            "SELECT name, fingerprint, first_seen FROM spells JOIN findings ON findings.id = finding"
            " JOIN hosts ON hosts.id = host WHERE ended IS NULL"
        )
        return {(name, fingerprint): first_seen for name, fingerprint, first_seen in rows}


def told(path: Path, count: int = NIGHTS) -> dict[str, t.Any]:
    """All that is known, as plain data: what `history --json` prints. `count`: of runs, and of nights of each host."""
    with to_read(path) as database:
        database.row_factory = sqlite3.Row
        runs = database.execute(
            "SELECT started, finished, verdict, exit_code, version, left_out FROM runs ORDER BY id DESC LIMIT ?", (count,)
        ).fetchall()
        hosts = {
            name: {"nights": _nights(database, host, count), "findings": list(_findings(database, host))}
            for host, name in _hosts(database)
        }
    return {"schema": 1, "runs": [dict(run) for run in reversed(runs)], "hosts": hosts}


def _hosts(database: sqlite3.Connection) -> list[tuple[int, str]]:
    return [(row[0], row[1]) for row in database.execute("SELECT id, name FROM hosts ORDER BY name")]


def _nights(database: sqlite3.Connection, host: int, count: int) -> list[dict[str, t.Any]]:
    keys = ("started", "finished", "verdict", "compared", "differences")
    rows = database.execute(
        "SELECT started, finished, verdicts.verdict, compared, differences FROM verdicts JOIN runs ON runs.id = run"
        " WHERE host = ? AND left_out = '' ORDER BY run DESC LIMIT ?",
        (host, count),
    ).fetchall()
    return [dict(zip(keys, row)) for row in reversed(rows)]


def _findings(database: sqlite3.Connection, host: int) -> Iterator[dict[str, t.Any]]:
    """What is there first, and in it what has been there for longest."""
    rows = database.execute(
        "SELECT fingerprint, role, task, file, line, items, diff, hidden, first_seen, last_seen, runs, ended, ending,"
        " last_run = (SELECT max(run) FROM verdicts WHERE host = findings.host) AS seen_by_last"
        " FROM findings JOIN spells ON finding = findings.id WHERE host = ?"
        " ORDER BY ended IS NOT NULL, ended DESC, first_seen, role, task, items",
        (host,),
    )
    for row in rows:
        finding = dict(row)
        # What an older report knew of already was there before its first run here.
        new = finding["seen_by_last"] and finding["first_seen"] == finding["last_seen"]
        finding["state"] = finding.pop("ending") or ("new" if new else "open")
        finding["items"] = json.loads(finding["items"])
        yield {key: bool(value) if key in ("hidden", "seen_by_last") else value for key, value in finding.items()}


def _take_in(database: sqlite3.Connection, run: _Run, name: str, told: Mapping[str, t.Any]) -> None:
    database.execute("INSERT INTO hosts (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    host = database.execute("SELECT id FROM hosts WHERE name = ?", (name,)).fetchone()[0]
    # A role that is applied twice finds the same twice.
    found = {finding["fingerprint"]: finding for finding in told["drift"]}
    database.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?)", (host, run.id, told["verdict"], told["compared"], len(found)))
    for finding in found.values():
        _see(database, run, host, finding)
    if run.whole and told["verdict"] in COMPARED:
        places = {(item["role"], item["task"], json.dumps(item["items"])) for item in found.values()}
        _miss(database, run, host, places, told.get("accepted", ()))


def _see(database: sqlite3.Connection, run: _Run, host: int, finding: Mapping[str, t.Any]) -> None:
    by_turns = (finding["role"], finding["task"]) == ("audit", "packages")
    by_turns |= all(sign in (finding["diff"] or "") for sign in _READ_BY_TURNS)
    # Its place in a file may have changed, its text has not.
    database.execute(
        "INSERT INTO findings (host, fingerprint, role, task, file, line, items, diff, hidden, by_turns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (host, fingerprint) DO UPDATE SET file = excluded.file, line = excluded.line",
        (
            *(host, finding["fingerprint"], finding["role"], finding["task"], finding["file"], finding["line"]),
            *(json.dumps(finding["items"]), finding["diff"], finding["hidden"], by_turns),
        ),
    )
    number = database.execute(
        "SELECT id FROM findings WHERE host = ? AND fingerprint = ?", (host, finding["fingerprint"])
    ).fetchone()[0]
    still = database.execute(
        "UPDATE spells SET last_run = ?, last_seen = ?, runs = runs + 1, missed = 0 WHERE finding = ? AND ended IS NULL",
        (run.id, run.started, number),
    )
    if not still.rowcount:
        known = database.execute("SELECT 1 FROM spells WHERE finding = ?", (number,)).fetchone()
        first_seen = run.started if known else _before(run, finding["first_seen"])
        database.execute(
            "INSERT INTO spells VALUES (?, ?, ?, ?, ?, 1, 0, NULL, NULL, NULL)",
            (number, run.id, first_seen, run.id, run.started),
        )


def _before(run: _Run, first_seen: t.Any) -> str:
    """What the report knows from the one before, which may be older than the database, and may be anybody's file."""
    return min(first_seen, run.started) if isinstance(first_seen, str) and _TIME.fullmatch(first_seen) else run.started


def _miss(
    database: sqlite3.Connection, run: _Run, host: int, places: Collection[tuple[t.Any, ...]], accepted: Collection[str]
) -> None:
    """End what is not told any more. ``places`` are those at which something was found, ``accepted`` what is no drift by now."""
    gone = database.execute(
        "SELECT finding, role, task, items, by_turns, last_seen, missed FROM findings JOIN spells ON finding = findings.id"
        " WHERE host = ? AND ended IS NULL AND last_run < ?",
        (host, run.id),
    ).fetchall()
    for finding, role, task, items, by_turns, last_seen, missed in gone:
        if (role, task, items) in places:
            ending = "changed"
        elif label(": ".join([task, *json.loads(items)])) in accepted:
            ending = "accepted"
        elif by_turns and not _had_its_turn(run, last_seen, missed + 1):
            database.execute("UPDATE spells SET missed = missed + 1 WHERE finding = ? AND ended IS NULL", (finding,))
            continue
        else:
            ending = "repaired"
        database.execute(
            "UPDATE spells SET ended_run = ?, ended = ?, ending = ? WHERE finding = ? AND ended IS NULL",
            (run.id, run.started, ending, finding),
        )


def _had_its_turn(run: _Run, last_seen: str, missed: int) -> bool:
    """Whether all files have been read since, and nothing was found."""
    passed = datetime.datetime.fromisoformat(run.started) - datetime.datetime.fromisoformat(last_seen)
    # A run begins with a random delay.
    return missed >= TURNS and passed > datetime.timedelta(days=TURNS - 1)


def _forget(database: sqlite3.Connection, before: str) -> None:
    first = database.execute(
        "SELECT min((SELECT min(id) FROM runs WHERE finished >= ?),"
        " (SELECT min(id) FROM (SELECT id FROM runs ORDER BY id DESC LIMIT ?)))",
        (before, KEEP_RUNS),
    ).fetchone()[0]
    if not database.execute("DELETE FROM runs WHERE id < ?", (first,)).rowcount:
        return
    database.execute("DELETE FROM verdicts WHERE run < ?", (first,))
    database.execute("DELETE FROM spells WHERE ended_run < ?", (first,))
    database.execute("DELETE FROM findings WHERE id NOT IN (SELECT finding FROM spells)")
    # With what was open there: nobody has asked that host in all this time.
    database.execute("DELETE FROM hosts WHERE id NOT IN (SELECT host FROM verdicts)")
