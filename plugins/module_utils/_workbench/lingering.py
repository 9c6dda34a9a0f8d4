# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose services go on after the last logout, by the data. Pure. Private to this collection."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Collection

RECORD = "/etc/research-server/linger.json"
"""Who has it from this collection. Others have it by hand, or by the role accounts, and keep it."""


class Plan(t.NamedTuple):
    enable: list[str]
    disable: list[str]


def read(text: str | None) -> set[str]:
    """Nobody, where the record is missing or is none."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return set()
    return {str(name) for name in found} if isinstance(found, list) else set()


def render(names: Collection[str]) -> str:
    """Where nobody ever had it, there is no record."""
    return f"{json.dumps(sorted(names), indent=4)}\n" if names else ""


def plan(wanted: Collection[str], before: Collection[str], lingering: Collection[str]) -> Plan:
    """`before`: who had it from this collection. `lingering`: who has it now."""
    return Plan(sorted(set(wanted) - set(lingering)), sorted((set(before) - set(wanted)).intersection(lingering)))
