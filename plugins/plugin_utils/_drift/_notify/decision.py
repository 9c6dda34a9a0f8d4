# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to tell, and when: only what is new to people. Pure: plain data in, plain data out. Private to this collection.

What people were told is remembered as plain data, and handed in and out. Whatever this decides is told once, on every channel.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Mapping

from .changes import Change, changes, situation

# Raised when an older version would misunderstand what is remembered.
SCHEMA = 1
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Unit(t.NamedTuple):
    """A unit of systemd that has ended, and how: V(success), V(exit-code), V(timeout) and so on (SERVICE_RESULT)."""

    name: str
    result: str


class Event(t.NamedTuple):
    """One message. `kind` is V(change), V(digest), V(alarm), V(over), V(failed) or V(works)."""

    kind: str
    headline: str
    changes: tuple[Change, ...] = ()


class Wishes(t.NamedTuple):
    """When people want to be told."""

    digest: str = ""
    """A day of WEEKDAYS; never if empty."""
    alarm_after: datetime.timedelta = datetime.timedelta(hours=49)
    """How old the last report may be."""


def fresh(now: datetime.datetime) -> dict[str, t.Any]:
    """What is remembered before anything was told. The clock of the alarm begins to run."""
    return {"schema": SCHEMA, "since": _timestamp(now), "hosts": {}, "report": "", "digest": "", "alarm": "", "failing": {}}


def decide(
    known: Mapping[str, t.Any],
    *,
    now: datetime.datetime,
    report: Mapping[str, t.Any] | None,
    history: Mapping[str, t.Any] | None,
    unit: Unit | None = None,
    wishes: Wishes = Wishes(),  # noqa: B008  (it cannot be changed)
) -> tuple[list[Event], dict[str, t.Any]]:
    """What to tell, and what is remembered from now on.

    :param report: the last one; V(None) if there is none that can be understood.
    :param unit: the one that has just ended, if that is why this is asked.
    """
    state = dict(known)
    events = [] if unit is None else _ended(state, unit, now)
    if report is not None and report["finished"] != state["report"]:
        events += _told_by_run(state, report, history, now, wishes)
    last = datetime.datetime.fromisoformat(state["report"] or state["since"])
    if now - last > wishes.alarm_after and not state["alarm"]:
        state["alarm"] = _timestamp(now)
        what = f"the last one ended {state['report']}" if state["report"] else f"none since {state['since']}"
        events.append(Event("alarm", f"no drift run has told anything for {_hours(now - last)}: {what}"))
    return events, state


def _told_by_run(
    state: dict[str, t.Any],
    report: Mapping[str, t.Any],
    history: Mapping[str, t.Any] | None,
    now: datetime.datetime,
    wishes: Wishes,
) -> list[Event]:
    """Take a new report in."""
    events = []
    hosts = situation(report, history, state["hosts"])
    changed = tuple(changes(state["hosts"], hosts))
    due = _digest_day(wishes.digest, now)
    # One that was due before anybody asked for it is not late.
    digest = bool(due) and (due > state["digest"] if state["digest"] else due >= state["since"][:10])
    verdict = report["verdict"]
    if digest:
        events.append(Event("digest", f"{verdict}, {_counted(changed) or 'nothing has changed'} (weekly digest)", changed))
    elif changed:
        events.append(Event("change", f"{verdict}, {_counted(changed)}", changed))
    if state["alarm"]:
        events.append(Event("over", f"drift runs tell again: one ended {report['finished']}"))
    state.update(hosts=hosts, report=report["finished"], alarm="", digest=due if digest else state["digest"])
    return events


def _ended(state: dict[str, t.Any], unit: Unit, now: datetime.datetime) -> list[Event]:
    failing = dict(state["failing"])
    if unit.result == "success":
        since = failing.pop(unit.name, None)
        events = [Event("works", f"{unit.name} works again, after it had failed since {since}")] if since else []
    else:
        events = [] if unit.name in failing else [Event("failed", f"{unit.name} has failed ({unit.result})")]
        failing.setdefault(unit.name, _timestamp(now))
    state["failing"] = failing
    return events


def _digest_day(day: str, now: datetime.datetime) -> str:
    """The last such day, today included, as a date; nothing without a day."""
    if not day:
        return ""
    passed = (now.weekday() - WEEKDAYS.index(day)) % 7
    return (now.date() - datetime.timedelta(days=passed)).isoformat()


def _counted(changed: t.Iterable[Change]) -> str:
    kinds = [change.kind for change in changed]
    parts = [f"{kinds.count(kind)} {kind}" for kind in ("new", "changed", "repaired", "accepted") if kind in kinds]
    if "verdict" in kinds:
        number = kinds.count("verdict")
        parts.append(f"{number} host{'s' if number > 1 else ''} with another verdict")
    return ", ".join(parts)


def _hours(time: datetime.timedelta) -> str:
    return f"{time.total_seconds() // 3600:.0f} hours"


def _timestamp(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="seconds")
