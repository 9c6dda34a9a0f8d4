# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that wait for their receiver, one file each, the oldest first. Private to this collection.

Whoever puts one in never waits for a receiver. A file is removed when its receiver has it, and by nothing else than the limit.
"""

from __future__ import annotations

import json
import re
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..._files import write_private

# A receiver that is down for a season gets what was told last; the history knows the rest.
LIMIT = 200
_NAME = re.compile(r"\d{20}\.json")


def add(folder: Path, told: Mapping[str, t.Any], limit: int = LIMIT) -> int:
    """Put a message in; how many made room for it. It says itself how many are missing before it."""
    there = waiting(folder)
    dropped = 0
    surplus = there[: max(0, len(there) - limit + 1)]
    for path in surplus:
        dropped += 1 + _dropped(path)
    name = max(time.time_ns(), int(there[-1].stem) + 1 if there else 0)
    # First the new one: what is lost with a full disk is nothing.
    write_private(folder / f"{name:020d}.json", json.dumps(with_dropped(told, dropped)) + "\n")
    for path in surplus:
        path.unlink(missing_ok=True)
    return len(surplus)


def with_dropped(told: Mapping[str, t.Any], dropped: int) -> dict[str, t.Any]:
    if not dropped:
        return dict(told)
    note = f"{dropped} older message{'s' if dropped > 1 else ''} had to make room: the receiver did not take them in time\n\n"
    return {**told, "dropped": dropped, "text": note + told["text"]}


def waiting(folder: Path) -> list[Path]:
    """What waits, the oldest first; nothing without a folder."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def read(path: Path) -> dict[str, t.Any]:
    """Raises ValueError for what is no message."""
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in ("id", "subject", "text", "created")):
        raise ValueError("found something else than a message")
    return told


def put_aside(path: Path) -> Path:
    """Out of the way of the others, for somebody to look at."""
    aside = path.with_suffix(".unreadable")
    path.replace(aside)
    return aside


def _dropped(path: Path) -> int:
    try:
        return int(read(path).get("dropped", 0))
    except (OSError, ValueError, TypeError):
        return 0
