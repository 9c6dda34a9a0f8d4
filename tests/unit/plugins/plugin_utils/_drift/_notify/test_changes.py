# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import history
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.changes import Change, changes, situation
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import Outcome, TaskRef
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import (
    BROKEN,
    OFF,
    Nights,
    edit,
    listener,
    report,
)

LOOK = TaskRef("Look", "sshd")
BANNER = "sshd: Write banner (roles/sshd/tasks/apply.yml:12)"


class Told:
    """Nights, and what people hear of each."""

    def __init__(self, folder: t.Any, remembers: bool = True) -> None:
        self.nights = Nights(folder)
        self.known: dict[str, t.Any] = {}
        self.remembers = remembers

    def night(self, number: int, hosts: dict[str, t.Any], **options: t.Any) -> list[Change]:
        told = report(number, hosts, accepted=options.pop("accepted", ()))
        self.nights.record(told, **options)
        past = history.told(self.nights.path, 1)["hosts"] if self.remembers else None
        now = situation(told, past, self.known)
        found = changes(self.known, now)
        self.known = now
        return found


def test_a_clean_lab_is_nothing_to_tell(tmp_path):
    assert Told(tmp_path).night(0, {"a": [], "b": []}) == []


def test_what_is_new_is_told_once_and_so_is_its_repair(tmp_path):
    lab = Told(tmp_path)
    assert lab.night(0, {"a": [edit("banner")], "b": []}) == [
        Change("a", "verdict", "clean -> drift"),
        Change("a", "new", BANNER),
    ]
    assert lab.night(1, {"a": [edit("banner")], "b": []}) == []
    assert lab.night(2, {"a": [], "b": []}) == [Change("a", "verdict", "drift -> clean"), Change("a", "repaired", BANNER)]
    assert lab.night(3, {"a": [], "b": []}) == []


def test_what_the_lab_has_accepted_is_not_called_repaired(tmp_path):
    lab = Told(tmp_path)
    lab.night(0, {"a": [listener("tcp 0.0.0.0:80"), listener("udp 0.0.0.0:53")]})
    told = lab.night(1, {"a": []}, accepted=["listeners: tcp 0.0.0.0:80"])
    assert {(change.kind, change.what[-14:]) for change in told if change.kind != "verdict"} == {
        ("accepted", "tcp 0.0.0.0:80"),
        ("repaired", "udp 0.0.0.0:53"),
    }


def test_a_difference_in_the_place_of_another_has_changed(tmp_path):
    lab = Told(tmp_path)
    lab.night(0, {"a": [edit("banner", "no")]})
    assert lab.night(1, {"a": [edit("banner", "perhaps")]}) == [Change("a", "changed", BANNER)]


def test_a_host_that_is_off_hides_nothing_and_repairs_nothing(tmp_path):
    for remembers in (True, False):
        (tmp_path / str(remembers)).mkdir()
        lab = Told(tmp_path / str(remembers), remembers)
        lab.night(0, {"a": [edit("banner")]})
        assert lab.night(1, {"a": [(LOOK, OFF)]}) == [Change("a", "verdict", "drift -> unreachable")]
        assert lab.night(2, {"a": [(LOOK, BROKEN)]}) == [Change("a", "verdict", "unreachable -> failed")]
        assert lab.night(3, {"a": [edit("banner")]}) == [Change("a", "verdict", "failed -> drift")]


def test_what_is_found_before_a_host_fails_is_told(tmp_path):
    for remembers in (True, False):
        (tmp_path / str(remembers)).mkdir()
        lab = Told(tmp_path / str(remembers), remembers)
        lab.night(0, {"a": []})
        assert [change.kind for change in lab.night(1, {"a": [edit("banner"), (LOOK, BROKEN)]})] == ["verdict", "new"]


def test_a_run_that_left_tasks_or_hosts_out_makes_nothing_repaired(tmp_path):
    lab = Told(tmp_path)
    lab.night(0, {"a": [edit("banner")], "b": [edit("motd")]})
    assert lab.night(1, {"a": []}, left_out="--tags audit") == []
    assert set(lab.known) == {"a", "b"}
    assert [change.host for change in lab.night(2, {"a": [], "b": []})] == ["a", "a", "b", "b"]


def test_files_that_are_read_by_turns_are_not_repaired_by_a_night_that_did_not_read_them(tmp_path):
    lab = Told(tmp_path)
    lab.night(0, {"a": [(TaskRef("packages", "audit"), Outcome("changed", items=("bash",), diffs=["x\n"]))]})
    assert lab.night(1, {"a": []}) == []
    assert lab.known["a"]["verdict"] == "drift"


def test_a_host_that_the_history_has_forgotten_is_forgotten_here(tmp_path):
    lab = Told(tmp_path)
    lab.night(0, {"a": [edit("banner")]})
    assert "gone" not in situation(report(1, {"a": []}), history.told(lab.nights.path, 1)["hosts"], {"gone": lab.known["a"]})
    assert "gone" in situation(report(1, {"a": []}), None, {"gone": lab.known["a"]})


def test_things_have_their_name(tmp_path):
    lab = Told(tmp_path)
    found = lab.night(0, {"a": [(TaskRef("listeners", "audit"), Outcome("changed", items=("tcp 1", "tcp 2"), diffs=["x\n"]))]})
    assert found[-1] == Change("a", "new", "audit: listeners: tcp 1, tcp 2")
