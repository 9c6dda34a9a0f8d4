# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One drift run at a time writes a report: two would each take the other's for that of last night. Private."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# How often it is asked whether the other one has ended.
PAUSE = 0.5
_HOLDER = re.compile(rb"(\d{1,10}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00)\n")


class AnotherRunError(Exception):
    """Another run has not ended in time."""


@contextlib.contextmanager
def alone(report: Path, wait: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the report's lock. The file stays, and the lock ends with its process, however that ends.

    :param wait: for how many seconds to wait for another run, which is told at once.
    """
    path = report.with_name(f".{report.name}.lock")
    # Programs that a run starts, and may leave behind, do not inherit it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, report, wait, say)
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {now}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, report: Path, wait: float, say: Callable[[str], None]) -> None:
    if _taken(descriptor):
        return
    other = f"{_holder(descriptor)} writes {report}"
    if wait:
        say(f"{other}; waiting up to {wait:g} s for it (--wait)")
    end = time.monotonic() + wait
    while time.monotonic() < end:
        time.sleep(min(PAUSE, max(0.0, end - time.monotonic())))
        if _taken(descriptor):
            return
    raise AnotherRunError(f"{other} and has not ended; try again later, wait longer with --wait SECONDS, or use another --report")


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    found = _HOLDER.fullmatch(os.pread(descriptor, 100, 0))
    return f"another run since {found[2].decode()}, process {found[1].decode()}," if found else "another run"
