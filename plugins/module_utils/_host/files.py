# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a file, and write one in a folder that may belong to somebody else. Private to this collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat


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


def put_file(folder: str, name: str, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step, and make that last through a power cut. It belongs to whoever owns the folder.

    No symbolic link is followed: root must not write where the owner of the folder points to.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        temporary = f"{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=handle)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(temporary, flags, mode, dir_fd=handle), "w", encoding="utf-8", errors="surrogateescape") as file:
            status = os.fstat(handle)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
        os.fsync(handle)
    finally:
        os.close(handle)


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
