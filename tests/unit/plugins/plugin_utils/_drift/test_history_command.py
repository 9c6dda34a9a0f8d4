# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import command, history_command
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import Outcome, TaskRef
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.summary import SHOWN_LINES
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import (
    OFF,
    Nights,
    day,
    edit,
    report,
)

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "drift-history.schema.json").read_text())
LOOK = TaskRef("Look", "sshd")
LONG = (
    TaskRef("Long"),
    Outcome("changed", items=("a", "b"), diffs=[{"before": "", "after": "x\ty\n" * 100, "before_header": "/x"}]),
)
HIDDEN = (TaskRef("Secret", "accounts"), Outcome("changed", hidden=True))


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """What three nights have left of a few hosts."""
    made = Nights(tmp_path)
    made.record(report(0, {"a": [edit("x"), edit("gone"), edit("z", "no")], "cpu-01": [], "old": []}))
    made.record(report(1, {"a": [edit("x"), edit("gone"), edit("z", "no")], "cpu-01": [edit("x")]}))
    made.record(report(2, {"a": [edit("x"), edit("y"), edit("z", "maybe")], "cpu-01": [(LOOK, OFF)]}))
    return made


def asked(nights: Nights, *arguments: str) -> int:
    return history_command.main([*arguments, "--report", str(nights.path.with_suffix(".json"))], Path("/nowhere/drift.json"))


def test_a_line_for_each_host(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(nights) == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 runs from 2026-11-01 to 2026-11-03; c clean, D drift, F failed, U unreachable; the last one is the newest",
        "",
        "a       DDD  3 differences since 2026-11-01 (2 new); 1 repaired",
        "cpu-01  cDU  as of 2026-11-02; 1 difference since 2026-11-02",
        "old       c  no difference; not in the last run, but on 2026-11-01",
    ]


def test_each_finding_of_a_host(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(nights, "a") == 0
    out = capsys.readouterr().out
    place = "(roles/sshd/tasks/apply.yml:12)"
    assert [line for line in out.splitlines() if line.startswith("  [")] == [
        f"  [since 2026-11-01, 3 runs] sshd: Write x {place}",
        f"  [new] sshd: Write y {place}",
        f"  [new] sshd: Write z {place}",
        f"  [repaired 2026-11-03, there since 2026-11-01, 2 runs] sshd: Write gone {place}",
        f"  [changed 2026-11-03, there since 2026-11-01, 2 runs] sshd: Write z {place}",
    ]
    assert "      -maybe\n      +yes\n" in out
    assert "cpu-01" not in out
    assert asked(nights, "cpu-01") == 0
    assert f"  [since 2026-11-02, 1 run, last seen 2026-11-02] sshd: Write x {place}" in capsys.readouterr().out


def test_what_a_finding_shows(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.record(report(3, {"a": [LONG, HIDDEN]}))
    assert asked(nights, "a") == 0
    out = capsys.readouterr().out
    assert "      a, b\n      /x (is)\n      +x        y\n" in out
    assert f"      ... {101 - SHOWN_LINES} more lines in --json\n" in out
    assert "accounts: Secret\n      (hidden: the task says no_log)\n" in out


def test_what_was_repaired_before_the_last_run_is_not_told_again(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.record(report(3, {"a": []}))
    assert asked(nights) == 0
    assert "a       DDDc  no difference; 3 repaired\n" in capsys.readouterr().out
    nights.record(report(4, {"a": []}))
    assert asked(nights) == 0
    assert "a       DDDcc  no difference\n" in capsys.readouterr().out


def test_runs_that_left_something_out_have_no_letter_and_are_told(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.record(report(3, {"a": []}), left_out="--tags audit")
    assert asked(nights) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "a       DDD  3 differences since 2026-11-01; 1 repaired"
    assert lines[3] == "cpu-01  cDU  as of 2026-11-02; 1 difference since 2026-11-02"
    assert lines[-1] == f"  {day(3)}  clean  (--tags audit)"


def test_as_many_nights_as_one_asks_for(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(nights, "--nights", "2") == 0
    out = capsys.readouterr().out
    assert out.startswith("2 runs from 2026-11-02")
    assert "\ncpu-01  DU  " in out


@pytest.mark.parametrize("number", ["0", "-1", "x", "36501", "9" * 5000])
def test_a_number_of_nights_is_a_number(nights: Nights, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        asked(nights, f"--nights={number}")
    assert ended.value.code
    assert "--nights" in capsys.readouterr().err


@pytest.mark.parametrize("host", [None, "a", "cpu-01"])
def test_json_is_what_the_schema_says(nights: Nights, host: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    nights.record(report(3, {"a": [LONG, HIDDEN]}), left_out="--tags x")
    assert asked(nights, *([host] if host else []), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert list(told["hosts"]) == ([host] if host else ["a", "cpu-01", "old"])
    states = {finding["state"] for name in told["hosts"] for finding in told["hosts"][name]["findings"]}
    assert states == ({"open"} if host == "cpu-01" else {"open", "new", "repaired", "changed"})


def test_an_unknown_host_and_no_history_are_told(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(nights, "gpu-99") == 1
    assert "found no host 'gpu-99'; it has a, cpu-01, old" in capsys.readouterr().err
    nights.path.rename(nights.path.with_name("elsewhere"))
    assert asked(nights, "a") == 1
    assert f"{nights.path}: found no run; the next drift run" in capsys.readouterr().err
    assert not nights.path.exists()


def test_a_damaged_history_is_one_line(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.path.write_text("my notes")
    assert asked(nights) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith(f"research-server-drift history: {nights.path}: found ")


def test_somebody_elses_file_does_not_write_to_the_terminal(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\u202eall\nclean\r"
    database = sqlite3.connect(nights.path)
    database.execute("UPDATE findings SET task = ?, diff = ?", (evil, f"+{evil}"))
    database.execute("UPDATE hosts SET name = ? WHERE name = 'a'", (evil,))
    database.execute("UPDATE runs SET left_out = ? WHERE id = 1", (evil,))
    database.commit()
    database.close()
    assert asked(nights, evil) == 0
    out = capsys.readouterr().out
    assert not any(sign in out for sign in "\x1b\u202e\r")
    assert "\nclean" not in out
    assert r"\x1b[2J\u202eall\nclean\r" in out
    assert asked(nights, "\x1b[2J") == 1
    assert "\x1b" not in capsys.readouterr().err


def test_the_command_knows_it(nights: Nights, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(nights.path.parent))
    (nights.path.parent / "research-server").mkdir()
    nights.path.rename(nights.path.parent / "research-server" / "drift.db")
    assert command.main(["history", "old"]) == 0
    assert "old  c  no difference" in capsys.readouterr().out
