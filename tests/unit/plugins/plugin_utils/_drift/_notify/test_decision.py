# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime as d
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.decision import (
    Event,
    Unit,
    Wishes,
    decide,
    fresh,
)
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import edit, report

# A Sunday.
FIRST = d.datetime(2026, 11, 1, 3, 0, tzinfo=d.timezone.utc)


def at(day: float) -> d.datetime:
    return FIRST + d.timedelta(days=day)


class People:
    """What they hear, day by day."""

    def __init__(self, since: float = 0, **wishes: t.Any) -> None:
        self.state = fresh(at(since))
        self.wishes = Wishes(**wishes)
        self.report: t.Any = None

    def hear(self, day: float, unit: Unit | None = None) -> list[tuple[str, str]]:
        events, self.state = decide(self.state, now=at(day), report=self.report, history=None, unit=unit, wishes=self.wishes)
        return [(event.kind, event.headline) for event in events]

    def night(self, day: int, *found: t.Any) -> list[tuple[str, str]]:
        self.report = report(day, {"a": found})
        return self.hear(day)


def test_a_night_is_told_once_and_only_if_something_is_new():
    people = People()
    assert people.night(0) == []
    assert people.night(1, edit("x"), edit("y")) == [("change", "drift, 2 new, 1 host with another verdict")]
    assert people.hear(1.5) == []
    assert people.night(2, edit("x"), edit("y")) == []
    assert people.night(3, edit("x", "else")) == [("change", "drift, 1 changed, 1 repaired")]


def test_the_changes_come_with_the_event():
    events, _state = decide(fresh(at(0)), now=at(0), report=report(0, {"a": [edit("x")]}), history=None)
    assert [change.kind for change in events[0].changes] == ["verdict", "new"]


def test_nights_without_an_answer_are_told_once_and_so_is_their_end():
    people = People()
    people.night(0)
    # The report of day 0 ended at 2:40.
    assert people.hear(2.02) == []
    assert people.hear(2.03) == [
        ("alarm", "no drift run has told anything for 49 hours: the last one ended 2026-11-01T02:40:00+00:00")
    ]
    assert people.hear(2.5) == []
    assert people.night(3) == [("over", "drift runs tell again: one ended 2026-11-04T02:40:00+00:00")]
    assert people.night(4) == []


def test_a_lab_that_has_never_had_an_answer_is_told_too():
    people = People(alarm_after=d.timedelta(hours=10))
    assert people.hear(0.4) == []
    assert people.hear(0.5) == [("alarm", "no drift run has told anything for 12 hours: none since 2026-11-01T03:00:00+00:00")]
    assert people.hear(0.6) == []


def test_an_old_report_that_is_new_here_is_no_end_of_the_alarm_for_long():
    people = People(since=5)
    people.report = report(0, {"a": []})
    assert [kind for kind, _told in people.hear(5)] == ["alarm"]


@pytest.mark.parametrize("result", ["exit-code", "timeout"])
def test_a_unit_that_fails_is_told_once_and_so_is_its_recovery(result):
    people = People()
    assert people.hear(0, Unit("x.service", "success")) == []
    assert people.hear(1, Unit("x.service", result)) == [
        ("failed", f"x.service has failed ({result})"),
    ]
    assert people.hear(1.5, Unit("x.service", result)) == []
    assert people.hear(1.6, Unit("y.service", "success")) == []
    told = people.hear(1.7, Unit("x.service", "success"))
    assert told == [("works", "x.service works again, after it had failed since 2026-11-02T03:00:00+00:00")]
    assert people.hear(1.8, Unit("x.service", "success")) == []


def test_what_was_remembered_is_not_changed_in_place():
    state = fresh(at(0))
    decide(state, now=at(9), report=report(0, {"a": [edit("x")]}), history=None, unit=Unit("x", "timeout"))
    assert state == fresh(at(0))


def test_a_digest_comes_with_the_first_run_from_its_day_on():
    people = People(since=1, digest="tuesday")  # since a Monday
    assert people.night(1) == []
    assert people.night(2) == [("digest", "clean, nothing has changed (weekly digest)")]
    assert people.hear(2.5) == []
    assert people.night(3) == []
    assert people.night(8) == []
    # The night of that day was missed.
    assert people.night(10, edit("x")) == [("digest", "drift, 1 new, 1 host with another verdict (weekly digest)")]
    assert people.night(11, edit("x")) == []
    assert people.night(16, edit("x")) == [("digest", "drift, nothing has changed (weekly digest)")]


def test_a_digest_of_the_week_before_is_not_late():
    people = People(since=3, digest="tuesday")  # since a Wednesday
    assert people.night(3) == []
    assert people.night(9) == [("digest", "clean, nothing has changed (weekly digest)")]


def test_an_event_has_no_changes_unless_it_is_said():
    assert Event("test", "x").changes == ()


def test_who_begins_on_that_day_has_a_digest_at_once():
    people = People(since=2, digest="tuesday")
    assert people.night(2) == [("digest", "clean, nothing has changed (weekly digest)")]
    assert people.night(3) == []
