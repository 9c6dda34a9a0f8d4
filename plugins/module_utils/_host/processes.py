# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on this host, and as whom (proc_pid_status(5)). Private to this collection."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple


class Process(NamedTuple):
    pid: int
    name: str
    """What it calls itself: its owner's choice."""
    uid: int
    """The real one. The folder in /proc may be root's, where a program does not let itself be looked into (PR_SET_DUMPABLE)."""
    gids: frozenset[int]
    """Every group whose rights it has."""
    dead: bool
    """It has ended, and nobody has taken notice of it yet."""


def parse(pid: int, status: str) -> Process:
    """Read the text of /proc/PID/status; ValueError or KeyError if it is none."""
    values = dict(line.split(":", 1) for line in status.split("\n") if ":" in line)
    return Process(
        pid,
        name=values["Name"].strip(),
        uid=int(values["Uid"].split()[0]),
        gids=frozenset(map(int, [*values["Gid"].split(), *values["Groups"].split()])),
        dead=values["State"].split()[0] in ("Z", "X"),
    )


def read(pid: int) -> Process:
    """Raises OSError if it has ended."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace", newline="\n") as stream:
        return parse(pid, stream.read())


def of(*uids: range) -> Iterator[Process]:
    """What these accounts have started and what still runs."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                # Most are somebody else's: one look tells, and only the rest is read.
                owner = os.stat(f"/proc/{name}").st_uid
                if owner == 0 or any(owner in numbers for numbers in uids):
                    process = read(int(name))
                    if any(process.uid in numbers for numbers in uids) and not process.dead:
                        yield process
