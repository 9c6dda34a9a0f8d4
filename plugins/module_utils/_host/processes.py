# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on this host, and as whom (proc_pid_status(5)). Private to this collection."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

# include/uapi/linux/nsfs.h; user_namespaces(7) allows 32 levels.
_NS_GET_PARENT, _NS_GET_OWNER_UID, _DEEPEST = 0xB702, 0xB704, 33


class Process(NamedTuple):
    pid: int
    name: str
    """What it calls itself: its owner's choice."""
    uids: tuple[int, ...]
    """Real, effective, saved, and for files: with each of them it has, or can take, somebody's rights (credentials(7))."""
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
        uids=tuple(map(int, values["Uid"].split())),
        gids=frozenset(map(int, [*values["Gid"].split(), *values["Groups"].split()])),
        dead=values["State"].split()[0] in ("Z", "X"),
    )


def read(pid: int) -> Process:
    """Raises OSError if it has ended."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace", newline="\n") as stream:
        return parse(pid, stream.read())


def running() -> Iterator[Process]:
    """All that runs. The folders in /proc do not tell whose it is: they are root's where a program cannot be looked into."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                process = read(int(name))
                if not process.dead:
                    yield process


def in_namespace_of(pid: int, uid: int) -> bool:
    """Whether it runs in a user namespace that this account has made, or in one inside of that (ioctl_ns(2))."""
    handle = -1
    try:
        handle = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        for _depth in range(_DEEPEST):
            owner = array.array("I", [0])
            fcntl.ioctl(handle, _NS_GET_OWNER_UID, owner)
            if owner[0] == uid:
                return True
            outer = fcntl.ioctl(handle, _NS_GET_PARENT)
            os.close(handle)
            handle = outer
    except OSError:
        # It has ended, or there is no outer one.
        return False
    finally:
        if handle >= 0:
            os.close(handle)
    return False


def kill(process: Process) -> None:
    """That one, and none that has got its number meanwhile."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(process.pid)
        try:
            if read(process.pid).uids == process.uids:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
