# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses the GPUs: processes that have their devices open. Needs root for those of others. Private to this collection."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from collections.abc import Sequence
from pathlib import Path

from .._host import getent

DEVICE = re.compile(r"/dev/nvidia(?:\d+|-uvm)(?: \(deleted\))?")
# Also those that only ask, such as monitors: they keep the driver loaded.
ANY_DEVICE = re.compile(r"/dev/nvidia.*")
# They keep the GPUs initialised, and measure them; they compute nothing.
IDLE = ("nvidia-persiste", "dcgm-exporter", "nv-hostengine")


def read_users(procfs: Path, device: re.Pattern[str] = DEVICE, idle: Sequence[str] = IDLE) -> list[dict[str, t.Any]]:
    """Processes by number, with the name of their user and of their program (as long as the kernel keeps it)."""
    found = []
    for folder in sorted(procfs.glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):  # it has ended
            if any(device.fullmatch(_target(entry.path)) for entry in os.scandir(folder / "fd")):
                program = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
                if program not in idle:
                    uid = folder.stat().st_uid
                    found.append({"pid": int(folder.name), "user": getent.user(uid) or str(uid), "program": program})
    return found


def _target(link: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(link)
    return ""
