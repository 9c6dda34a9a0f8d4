# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a file, and write one in a folder that may belong to somebody else. Private to this collection."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable


def read_file(path: str) -> str | None:
    """The text of a file, or None if there is none. What is no file, such as a pipe for which nobody writes, counts as none."""
    try:
        # Without O_NONBLOCK a pipe would be waited for, as long as nobody writes.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        with open(handle, encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(handle)


def can_be_started(path: str) -> bool:
    """Whether there is a program that somebody may start."""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def put_file(
    folder: str,
    name: str,
    text: str,
    mode: int = 0o644,
    *,
    owner: tuple[int, int] | None = None,
    check: Callable[[str], None] | None = None,
) -> None:
    """Replace a file in one step, and make that last through a power cut. It belongs to whoever owns the folder, if not said.

    No symbolic link is followed: root must not write where the owner of the folder points to. `check` gets the path of the new
    file before it takes the place of the old one; if it raises, nothing has changed. Several may write the same file at once.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _clear(handle, name)
        temporary, file = _create(handle, name)
        try:
            status = os.fstat(handle)
            uid, gid = owner or (status.st_uid, status.st_gid)
            if (uid, gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
                os.fchown(file, uid, gid)
            os.fchmod(file, mode)
            with open(file, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
                stream.write(text)
            os.fsync(file)
            if check is not None:
                check(os.path.join(folder, temporary))
            os.rename(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=handle)
            raise
        finally:
            os.close(file)
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(folder: int, name: str) -> tuple[str, int]:
    """A new file of a name that nobody else chooses, locked for as long as it is open: who writes it is alive."""
    while True:
        temporary = f".{name}.{os.urandom(8).hex()}.new"
        # Its own folder's owner must not lock it, to be waited for: it is closed to everybody else until it is locked.
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with contextlib.suppress(OSError):  # some network file systems know no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        # Before it was locked, somebody may have taken it for what a dead one left.
        if os.fstat(file).st_nlink:
            return temporary, file
        os.close(file)


def _clear(folder: int, name: str) -> None:
    """Remove what writers of this file left when they were killed."""
    left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.new")
    for found in os.listdir(folder):
        # What cannot be opened, such as a link, was not written here.
        with contextlib.suppress(OSError):
            # Without a number: of earlier versions of this collection, which locked nothing.
            if found == f"{name}.new":
                os.unlink(found, dir_fd=folder)
            elif left.fullmatch(found):
                _remove_unlocked(folder, found)


def _remove_unlocked(folder: int, name: str) -> None:
    """While this holds the lock, or its writer could get it and believe that the file stays."""
    file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(file)


def read_bounded(path: str, limit: int) -> bytes:
    """The content of a file whose folder may be anybody's. Raises OSError for a link, for no file, and for a longer one."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "this is no file", path)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"longer than {limit} bytes", path)
    return content
