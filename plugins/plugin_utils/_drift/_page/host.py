# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a page: what differs and since when, what failed, how to repair it. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ..remedy import Commands
from .finding import Text, difference, failure, key

# What a page spends on the details of all hosts, in bytes; markup around a difference, and around a host.
BUDGET = 900_000
DIFFERENCE = 900
HOST = 900
NOTICES = 30
# Lines that a host may have beside its verdict, where the report has them.
FACTS = ("gpus", "environments", "people")


class Budget:
    """How much a page still holds. A difference that another host has too is shown once, and named the next time."""

    def __init__(self, size: int = BUDGET) -> None:
        self.left = size
        self.shown: dict[str, tuple[str, str]] = {}

    def take(self, size: int) -> bool:
        """Whether there is room; what does not fit ends the page, so that no later host has more than an earlier one."""
        self.left = self.left - size if self.left >= size else 0
        return self.left > 0


def details(
    name: str,
    anchor: str,
    host: Mapping[str, t.Any],
    *,
    ages: Iterable[Mapping[str, t.Any]],
    budget: Budget,
    commands: Commands,
) -> dict[str, t.Any]:
    """What stands behind the host's line, as far as the page has room.

    :param ages: since when each of the differences is there, in their order.
    """
    budget.take(HOST)
    errors = [error for error in map(failure, host["errors"]) if budget.take(DIFFERENCE + error["message"].size)]
    groups: dict[tuple[str, str], list[dict[str, t.Any]]] = {}
    for finding, age in sorted(zip(host["drift"], ages), key=lambda pair: key(pair[0])):
        shown = {**_once(difference(finding), finding["fingerprint"], (anchor, name), budget), **age}
        if not budget.take(DIFFERENCE + shown["text"].size + len(shown["way_out"])):
            break
        groups.setdefault(key(finding), []).append(shown)
    notices = [sentence for sentence in host.get("notices", [])[:NOTICES] if budget.take(len(sentence.encode()) + 50)]
    return {
        "errors": errors,
        "groups": [
            {"role": role, "topic": topic, "findings": found, "accept": commands.accept(name, topic) if topic else ""}
            for (role, topic), found in groups.items()
        ],
        "left_out": len(host["drift"]) - sum(map(len, groups.values())),
        "errors_left_out": len(host["errors"]) - len(errors),
        "repair": commands.repair(name, host["drift"]),
        "again": commands.again(name) if host["errors"] else "",
        "handlers": host["handlers"],
        "notices": notices,
        "notices_left_out": len(host.get("notices", [])) - len(notices),
        "facts": [(fact, ", ".join(map(str, host[fact]))) for fact in FACTS if host.get(fact)],
    }


def _once(shown: dict[str, t.Any], fingerprint: str, here: tuple[str, str], budget: Budget) -> dict[str, t.Any]:
    first = budget.shown.setdefault(fingerprint, here)
    if first == here or not shown["text"].lines:
        return {**shown, "same_as": None}
    return {**shown, "same_as": first, "text": Text([], 0)}
