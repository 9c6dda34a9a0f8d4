# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.packages import TOPIC
from ansible_collections.openlab.research_server.plugins.module_utils._conda.damage import REPAIR, sides
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import Problem
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import history
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import Outcome, TaskRef, label
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import (
    BROKEN,
    OFF,
    Nights,
    day,
    edit,
    listener,
    report,
)

LOOK = TaskRef("Look", "sshd")


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_what_is_found_is_new_and_then_there_since_that_night(nights: Nights) -> None:
    nights.run(0, edit("x"))
    assert nights.findings() == [("Write x", "new", day(0), None, 1)]
    nights.run(1, edit("x"), edit("y"))
    assert nights.findings() == [("Write x", "open", day(0), None, 2), ("Write y", "new", day(1), None, 1)]


def test_what_is_gone_is_repaired_and_what_comes_back_is_new(nights: Nights) -> None:
    nights.run(0, edit("x"))
    nights.run(1)
    assert nights.findings() == [("Write x", "repaired", day(0), day(1), 1)]
    nights.run(2)
    assert nights.findings() == [("Write x", "repaired", day(0), day(1), 1)]
    nights.run(3, edit("x"))
    assert nights.findings() == [("Write x", "new", day(3), None, 1), ("Write x", "repaired", day(0), day(1), 1)]
    nights.run(4)
    assert nights.findings() == [("Write x", "repaired", day(3), day(4), 1), ("Write x", "repaired", day(0), day(1), 1)]


@pytest.mark.parametrize("name", ["tcp 0.0.0.0:80", "/srv/" + "x" * 200])
def test_what_the_lab_has_accepted_is_not_repaired(nights: Nights, name: str) -> None:
    nights.run(0, listener(label(name)), listener("udp 0.0.0.0:53"))
    nights.run(1, accepted=[label(f"listeners: {name}"), "listeners: tcp 0.0.0.0:8"])
    assert {told[1] for told in nights.findings()} == {"accepted", "repaired"}
    nights.run(2, listener(label(name)))
    assert nights.findings()[0][1] == "new"


@pytest.mark.parametrize("outcome", [OFF, BROKEN])
def test_a_night_on_which_the_host_was_not_compared_repairs_nothing(nights: Nights, outcome: Outcome) -> None:
    nights.run(0, edit("x"))
    nights.run(1, (LOOK, outcome))
    assert nights.findings() == [("Write x", "open", day(0), None, 1)]
    nights.run(2, edit("x"))
    assert nights.findings() == [("Write x", "open", day(0), None, 2)]
    nights.run(3, edit("y"), (LOOK, outcome))
    assert [told[:2] for told in nights.findings()] == [("Write x", "open"), ("Write y", "new")], "what was seen, was seen"


def test_a_host_that_was_left_out_keeps_what_it_has(nights: Nights) -> None:
    nights.run(0, edit("x"))
    nights.run(1, host="gpu-02")
    assert nights.findings() == [("Write x", "new", day(0), None, 1)]
    nights.run(2, edit("x"))
    assert nights.findings() == [("Write x", "open", day(0), None, 2)]


def test_a_run_that_left_tasks_out_repairs_nothing_and_is_no_night(nights: Nights) -> None:
    nights.run(0, edit("x"))
    nights.run(1, edit("y"), left_out="--tags audit")
    assert [told[:3] for told in nights.findings()] == [("Write x", "open", day(0)), ("Write y", "new", day(1))]
    assert [night[1] for night in history.nights(nights.path)["gpu-01"]] == ["drift"]
    nights.run(2, left_out="--tags audit", host="gpu-02")
    assert list(history.nights(nights.path)) == ["gpu-01"]
    assert [run["left_out"] for run in history.told(nights.path)["runs"]] == ["", "--tags audit", "--tags audit"]


def test_another_text_in_the_same_place_is_changed_and_not_repaired(nights: Nights) -> None:
    nights.run(0, edit("x", "no"), edit("y"))
    nights.run(1, edit("x", "maybe"))
    assert nights.findings() == [
        ("Write x", "new", day(1), None, 1),
        ("Write x", "changed", day(0), day(1), 1),
        ("Write y", "repaired", day(0), day(1), 1),
    ]


def test_items_of_a_loop_are_places_of_their_own(nights: Nights) -> None:
    task, outcome = edit("x")
    nights.run(0, (task, dataclasses.replace(outcome, items=("a",))))
    nights.run(1, (task, dataclasses.replace(outcome, items=("b",))))
    assert [told[1] for told in nights.findings()] == ["new", "repaired"]
    nights.run(2, (task, dataclasses.replace(edit("x", "maybe")[1], items=("b",))))
    assert [told[1] for told in nights.findings()] == ["new", "changed", "repaired"]


def test_the_same_difference_twice_in_one_run_is_one(nights: Nights) -> None:
    nights.run(0, edit("x"), edit("x"))
    assert nights.findings() == [("Write x", "new", day(0), None, 1)]
    assert history.told(nights.path)["hosts"]["gpu-01"]["nights"][0]["differences"] == 1


def conda(problem: str) -> tuple[TaskRef, Outcome]:
    found = [Problem("lib/a.py", "numpy 1.26", "conda", problem, "", "")]
    before, after = ("".join(f"{line}\n" for line in side) for side in sides(found))
    return TaskRef("Make each environment", "conda_envs"), Outcome(
        "changed", diffs=[{"before": before, "after": f"{after}{REPAIR}\n"}]
    )


CONDA = conda("altered")
PACKAGE = (TaskRef(TOPIC, "audit"), Outcome("changed", items=("/bin/ls",), diffs=[{"before": "a\n", "after": "b\n"}]))


@pytest.mark.parametrize("finding", [CONDA, PACKAGE])
def test_what_is_read_by_turns_is_repaired_when_all_had_their_turn(nights: Nights, finding: t.Any) -> None:
    nights.run(0, finding)
    for number in range(1, 7):
        nights.run(number)
        assert nights.findings()[0][1] == "open", number
    nights.run(7)
    assert [told[1:] for told in nights.findings()] == [("repaired", day(0), day(7), 1)]


def test_a_file_that_was_missing_is_repaired_as_soon_as_it_is_back(nights: Nights) -> None:
    nights.run(0, conda("missing"))
    nights.run(1)
    assert [told[1:] for told in nights.findings()] == [("repaired", day(0), day(1), 1)]


def test_what_is_read_by_turns_begins_anew_each_time_it_is_seen(nights: Nights) -> None:
    nights.run(0, PACKAGE)
    for number in [1, 2, 3, 4, 5, 6]:
        nights.run(number)
    nights.run(7, PACKAGE)
    nights.run(15)
    assert nights.findings()[0][1:] == ("open", day(0), None, 2)


def test_seven_runs_of_one_day_are_not_a_week_and_a_week_without_runs_is_none(nights: Nights) -> None:
    nights.run(0, PACKAGE)
    for _again in range(9):
        nights.run(1)
    assert nights.findings()[0][1] == "open"
    nights.run(20, PACKAGE, host="gpu-02")
    nights.run(40, host="gpu-02")
    assert nights.findings("gpu-02")[0][1] == "open"


def test_what_an_older_report_knew_is_not_new(nights: Nights) -> None:
    older = report(0, {"gpu-01": [edit("x")]})
    nights.record(report(5, {"gpu-01": [edit("x"), edit("y")]}, previous=older))
    assert nights.findings() == [("Write x", "open", day(0), None, 1), ("Write y", "new", day(5), None, 1)]


@pytest.mark.parametrize("said", ["yesterday", "2030-01-01T00:00:00+00:00", 7, None, "", "0\x1b[2J"])
def test_what_an_older_report_says_is_believed_if_it_can_be(nights: Nights, said: t.Any) -> None:
    told = report(0, {"gpu-01": [edit("x")]})
    told["hosts"]["gpu-01"]["drift"][0]["first_seen"] = said
    nights.record(told)
    assert nights.findings()[0][2] == day(0)


def test_a_finding_that_came_back_is_not_as_old_as_a_report_says(nights: Nights) -> None:
    older = nights.run(0, edit("x"))
    nights.run(1)
    nights.record(report(2, {"gpu-01": [edit("x")]}, previous=older))
    assert nights.findings()[0] == ("Write x", "new", day(2), None, 1)


def test_its_place_may_move_and_its_text_is_there_once(nights: Nights) -> None:
    nights.run(0, edit("x"))
    task, outcome = edit("x")
    nights.run(1, (dataclasses.replace(task, line=99), outcome))
    (finding,) = history.told(nights.path)["hosts"]["gpu-01"]["findings"]
    assert (finding["line"], finding["runs"]) == (99, 2)
    assert (finding["first_seen"], finding["last_seen"]) == (day(0), day(1))


def test_nights_and_since_are_what_a_page_needs(nights: Nights) -> None:
    assert history.nights(nights.path) == {}
    assert history.since(nights.path) == {}
    assert not nights.path.exists()
    nights.run(0, edit("y"), edit("x"))
    told = nights.run(1, edit("x"))
    nights.run(2, (LOOK, OFF))
    nights.run(2, host="cpu-01")
    ends = [day(number).replace("02:30", "02:40") for number in range(3)]
    assert history.nights(nights.path) == {
        "cpu-01": [(ends[2], "clean")],
        "gpu-01": [(ends[0], "drift"), (ends[1], "drift"), (ends[2], "unreachable")],
    }
    assert history.nights(nights.path, 2)["gpu-01"] == [(ends[1], "drift"), (ends[2], "unreachable")]
    assert history.since(nights.path) == {("gpu-01", told["hosts"]["gpu-01"]["drift"][0]["fingerprint"]): day(0)}


def test_nobody_else_can_read_it(nights: Nights) -> None:
    nights.run(0)
    assert stat.S_IMODE(nights.path.stat().st_mode) == 0o600


def test_a_run_comes_in_whole_or_not_at_all(nights: Nights) -> None:
    nights.run(0)
    told = report(1, {"gpu-01": [edit("x")], "gpu-02": []})
    del told["hosts"]["gpu-02"]["verdict"]
    with pytest.raises(KeyError):
        nights.record(told)
    assert nights.findings() == []
    assert len(history.told(nights.path)["runs"]) == 1


def test_what_a_host_says_stays_text(nights: Nights) -> None:
    evil = "\x1b[2J\u202e'); DROP TABLE runs; --\0\udcff"
    nights.run(
        0, (TaskRef(evil, evil, evil, 1), Outcome("changed", items=(evil,), diffs=[{"before": evil, "after": ""}])), host=evil
    )
    ((name, host),) = history.told(nights.path)["hosts"].items()
    told = [name, *(str(host["findings"][0][key]) for key in ("task", "role", "file", "items", "diff"))]
    assert all("DROP TABLE" in text for text in told)
    assert not any(sign in text for text in told for sign in "\x1b\u202e\0\udcff")


class TestRetention:
    def test_old_runs_go_with_what_was_repaired_then(self, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "KEEP_RUNS", 1)
        nights.run(0, edit("gone"), edit("stays"), edit("late"))
        nights.run(1, edit("stays"), edit("late"))
        nights.run(5, edit("stays"))
        nights.run(11, edit("stays"), keep_days=10)
        assert len(history.told(nights.path)["runs"]) == 3, "day 1 is ten days ago"
        assert {told[0] for told in nights.findings()} == {"Write stays", "Write late", "Write gone"}
        nights.run(12, edit("stays"), keep_days=10)
        assert [run["started"] for run in history.told(nights.path)["runs"]] == [day(5), day(11), day(12)]
        assert len(history.nights(nights.path)["gpu-01"]) == 3
        assert nights.findings() == [("Write stays", "open", day(0), None, 5), ("Write late", "repaired", day(0), day(5), 2)]
        with contextlib.closing(sqlite3.connect(nights.path)) as database:
            assert database.execute("SELECT task FROM findings ORDER BY task").fetchall() == [("Write late",), ("Write stays",)]

    def test_a_host_that_nobody_has_asked_is_forgotten(self, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "KEEP_RUNS", 1)
        nights.run(0, edit("x"), host="gone")
        nights.run(11, keep_days=10)
        assert list(history.told(nights.path)["hosts"]) == ["gpu-01"]
        with contextlib.closing(sqlite3.connect(nights.path)) as database:
            assert database.execute("SELECT count(*) FROM findings, spells").fetchone() == (0,)

    def test_a_wrong_clock_does_not_make_it_forget_everything(self, nights: Nights) -> None:
        for number in range(40):
            nights.run(number)
        nights.run(100_000)
        assert len(history.nights(nights.path, 100)["gpu-01"]) == history.KEEP_RUNS

    def test_the_default_is_more_than_a_year(self, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "KEEP_RUNS", 1)
        nights.run(0)
        nights.run(400)
        assert len(history.nights(nights.path)["gpu-01"]) == 2
        nights.run(401)
        assert len(history.nights(nights.path)["gpu-01"]) == 2
