# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that run as a leaver, whoever starts them: find them, take the power from them. Private to this collection.

Many of them, at odd places, with odd names, cost no more than a bounded time and a bounded listing.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SECONDS = 60
BYTES = 100_000
BITS = stat.S_ISUID | stat.S_ISGID
# What only root can enter is of no use to anybody, such as the layers of containers.
CLOSED = ("(", "-type", "d", "-uid", "0", "!", "-perm", "-001", "(", "!", "-perm", "-010", "-o", "-gid", "0", ")", "-prune", ")")


class Search(NamedTuple):
    """What was found before time or space ran out."""

    paths: tuple[str, ...]
    complete: bool


def search(roots: Iterable[str], uid: int, *, gid: int | None = None, seconds: float = SECONDS, size: int = BYTES) -> Search:
    """The files of this account with a set-user-ID or set-group-ID bit; no other file system is entered, no link followed.

    With `gid` only those that give the rights of this group.
    """
    start = [root for root in roots if _reachable(root)]
    if not start:
        return Search((), complete=True)
    polite = ["ionice", "-c3"] if shutil.which("ionice") else []
    bits = ["-perm", "/6000"] if gid is None else ["-gid", str(gid), "-perm", "-2010"]
    what = ["-type", "f", "-uid", str(uid), *bits, "-print0"]
    command = ["timeout", str(seconds), *polite, "nice", "-n19", "find", *start, "-xdev", *CLOSED, "-o", *what]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        data = process.stdout.read(size) if process.stdout else b""
        cut = len(data) == size
        if cut:
            process.kill()
    # find(1) ends with 1 when a file went away meanwhile; timeout(1) ends with 124.
    names = data.rpartition(b"\0")[0].split(b"\0") if data else []
    return Search(tuple(os.fsdecode(name) for name in names), complete=not cut and process.returncode in (0, 1))


def clear(paths: Sequence[str], uid: int) -> list[str]:
    """Take the bits away; returns where that failed. Whatever the path means by now, only a file of this account loses them."""
    failed = []
    for path in paths:
        try:
            handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError:
            failed.append(path)
            continue
        try:
            status = os.fstat(handle)
            if stat.S_ISREG(status.st_mode) and status.st_uid == uid and status.st_mode & BITS:
                os.chmod(f"/proc/self/fd/{handle}", stat.S_IMODE(status.st_mode) & ~BITS)
        except OSError:
            failed.append(path)
        finally:
            os.close(handle)
    return failed


def _reachable(path: str) -> bool:
    """Whether anybody but root can come as far as this."""
    part = os.path.dirname(path)
    while True:
        try:
            status = os.stat(part)
        except OSError:
            return False
        if status.st_uid == 0 and not status.st_mode & 0o001 and (status.st_gid == 0 or not status.st_mode & 0o010):
            return False
        if part == "/":
            return True
        part = os.path.dirname(part)
