# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of files (chattr(1)) with which not even root can change them. Private to this collection."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os

# include/uapi/linux/fs.h: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, FS_IMMUTABLE_FL and FS_APPEND_FL.
_GET, _SET = 0x80086601, 0x40086602
LOCKED = {0x10: "immutable", 0x20: "append only"}


def locked(path: str) -> str:
    """Which of them a file or folder has; empty for none, and where there are no attributes."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            flags = _flags(handle)
        finally:
            os.close(handle)
        return ", ".join(name for flag, name in LOCKED.items() if flags & flag)
    return ""


def unlock(handle: int) -> None:
    with contextlib.suppress(OSError):
        flags = _flags(handle)
        if flags & sum(LOCKED):
            fcntl.ioctl(handle, _SET, array.array("l", [flags & ~sum(LOCKED)]))


def _flags(handle: int) -> int:
    flags = array.array("l", [0])
    fcntl.ioctl(handle, _GET, flags, True)
    return flags[0]
