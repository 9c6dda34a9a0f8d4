# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one person may use of a host, from what is given in general, per group and per person. Pure. Private to this collection.

The most specific wins, each limit by itself: a person's own, else that of their groups, else the general one. Who is in several
groups gets the most that one of them gives.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection, Mapping

# Limit -> the directive that it becomes, for all that a person runs (systemd.resource-control(5)).
DIRECTIVES = {"memory_max": "MemoryMax", "memory_high": "MemoryHigh", "cpu_quota": "CPUQuota", "tasks_max": "TasksMax"}
GPUS = "gpus"
NAMES = (*DIRECTIVES, GPUS)
ALL = "all"

_UNITS = {unit: 1024**power for power, unit in enumerate(("B", "K", "M", "G", "T", "P", "E"))}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([BKMGTPE]?)")

Limits = Mapping[str, t.Any]


def size(text: object, total: float) -> float:
    """Bytes, as systemd reads them: 1G 512M is one size; a percentage is of `total`; no limit is more than any."""
    word = str(text).strip()
    if word in ("", "infinity"):
        return float("inf")
    if word.endswith("%"):
        return float(word[:-1]) / 100 * total
    return float(sum(float(number) * _UNITS[unit or "B"] for number, unit in _PART.findall(word)))


def resolve(given: Mapping[str, t.Any], name: str, groups: Collection[str], total: Mapping[str, float]) -> dict[str, t.Any]:
    """The limits of one person who is in `groups`, of those in `given`: C(general), of C(groups), and of C(people).

    `total`: for each limit, what 100% is.
    """
    own: Limits = given["people"].get(name, {})
    of_groups: list[Limits] = [limits for group, limits in sorted(given["groups"].items()) if group in groups]
    found = {}
    for limit in NAMES:
        shared = [limits[limit] for limits in of_groups if limits.get(limit) is not None]
        if own.get(limit) is not None:
            found[limit] = own[limit]
        elif shared:
            found[limit] = _most(limit, shared, total)
        elif given["general"].get(limit) is not None:
            found[limit] = given["general"][limit]
    return found


def _most(limit: str, given: list[t.Any], total: Mapping[str, float]) -> t.Any:
    if limit != GPUS:
        return max(given, key=lambda text: size(text, total.get(limit, 1.0)))
    words = {str(gpu) for entry in given for gpu in entry}
    return [ALL] if ALL in words else sorted(words)


def slice_lines(limits: Limits, devices: Collection[str] | None) -> str:
    """The unit of all that a person runs: JupyterLab, logins, jobs, timers. An empty value is systemd's own for "no limit"."""
    lines = ["[Slice]", *(f"{DIRECTIVES[name]}={limits[name]}" for name in DIRECTIVES if name in limits)]
    if size(limits.get("memory_max", ""), 1.0) != float("inf"):
        # Else the kernel ends nobody who takes more, as long as there is swap: one person would fill that of all.
        lines.append("MemorySwapMax=0")
    if devices is not None:
        lines += ["DevicePolicy=closed", *(f'DeviceAllow="{device}" rw' for device in devices)]
    return "".join(f"{line}\n" for line in lines)
