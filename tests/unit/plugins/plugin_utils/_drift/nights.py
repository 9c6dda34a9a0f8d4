# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of nightly runs, as the callback makes them, and the history that they leave."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import history
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import DriftReport, Outcome, TaskRef

FIRST = datetime.datetime(2026, 11, 1, 2, 30, tzinfo=datetime.timezone.utc)
OFF = Outcome("unreachable", message="no route")
BROKEN = Outcome("failed", message="broken")


def edit(name: str, found: str = "no") -> tuple[TaskRef, Outcome]:
    """A difference that has a name."""
    reference = TaskRef(f"Write {name}", "sshd", "/c/roles/sshd/tasks/apply.yml", 12)
    return reference, Outcome("changed", diffs=[{"before": f"{found}\n", "after": "yes\n", "before_header": name}])


def day(number: int) -> str:
    return (FIRST + datetime.timedelta(days=number)).isoformat(timespec="seconds")


def listener(name: str) -> tuple[TaskRef, Outcome]:
    """What nobody declared."""
    return TaskRef("listeners", "audit"), Outcome("changed", items=(name,), diffs=[{"before": "listens\n", "after": ""}])


def report(
    number: int,
    hosts: t.Mapping[str, t.Sequence[tuple[TaskRef, Outcome]]],
    previous: t.Any = None,
    accepted: t.Sequence[str] = (),
) -> dict[str, t.Any]:
    """Of the run on this day. A host of which nothing is told has one task that found nothing."""
    started = FIRST + datetime.timedelta(days=number)
    made = DriftReport(version="1.2.3", started=started)
    for host, results in hosts.items():
        for task, outcome in results or [(TaskRef("Look", "sshd"), Outcome("ok"))]:
            made.record(host, task, outcome)
        made.has(host, {"accepted": accepted})
    kinds = {host: [outcome.kind for _task, outcome in results] for host, results in hosts.items()}
    return json.loads(
        json.dumps(
            made.to_dict(
                finished=started + datetime.timedelta(minutes=10),
                failures={host: told.count("failed") for host, told in kinds.items()},
                unreachable=[host for host, told in kinds.items() if "unreachable" in told],
                previous=previous,
            )
        )
    )


class Nights:
    """A history, and the nights that made it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "drift.db"

    def run(
        self,
        number: int,
        *found: tuple[TaskRef, Outcome],
        host: str = "gpu-01",
        accepted: t.Sequence[str] = (),
        **options: t.Any,
    ) -> dict[str, t.Any]:
        told = report(number, {host: found}, accepted=accepted)
        self.record(told, **options)
        return told

    def record(self, told: t.Mapping[str, t.Any], left_out: str = "", **options: t.Any) -> None:
        history.record(self.path, told, exit_code=told["exit_code"], left_out=left_out, **options)

    def findings(self, host: str = "gpu-01") -> list[tuple[str, str, str, str | None, int]]:
        """What it is, its state, since when, until when, and in how many runs it was."""
        keys = ("task", "state", "first_seen", "ended", "runs")
        told = history.told(self.path)["hosts"][host]["findings"]
        return [tuple(finding[key] for key in keys) for finding in told]  # type: ignore[misc]
