# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a folder that belongs to somebody else, who may still be at work in it. Private to this collection.

No path is ever walked twice: every step is one name below a handle, and no link is followed. A tree of any depth takes three
handles: a folder in a folder is first moved up, to the folder that is to be removed.
"""

from __future__ import annotations

import itertools
import os
import time

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove_tree(path: str, seconds: float) -> str:
    """Remove it. The folder above must be root's. Returns why it could not be done; empty if it is gone.

    There is an end to it even if somebody fills the folder faster than it can be emptied.
    """
    deadline = time.monotonic() + seconds
    name = os.path.basename(path)
    try:
        parent = os.open(os.path.dirname(path), _FOLDER)
    except FileNotFoundError:
        return ""
    try:
        top = os.open(name, _FOLDER, dir_fd=parent)
        try:
            _seize(top)
            _empty(top, deadline)
        finally:
            os.close(top)
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return ""
    except NotADirectoryError:  # a link, too
        os.unlink(name, dir_fd=parent)
    except TimeoutError:
        return f"found more below {path} than can be removed in {seconds:g} s"
    except OSError as error:
        return f"cannot remove {path}: {error.strerror}"
    finally:
        os.close(parent)
    return ""


def _empty(top: int, deadline: float) -> None:
    number = 0
    while names := _names(top, deadline):
        for name in names:
            if not _unlinked(top, name):
                number = _dissolve(top, name, number, deadline)


def _dissolve(top: int, name: str, number: int, deadline: float) -> int:
    """Remove a folder at the top, and move the folders in it to the top. Returns the last number used as a name."""
    handle = os.open(name, _FOLDER, dir_fd=top)
    try:
        _seize(handle)
        while names := _names(handle, deadline):
            for inner in names:
                if not _unlinked(handle, inner):
                    number += 1
                    while _exists(top, str(number)):
                        number += 1
                    os.rename(inner, str(number), src_dir_fd=handle, dst_dir_fd=top)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=top)
    return number


def _seize(handle: int) -> None:
    """From here on nobody else makes or removes a name in this folder, also who has it open."""
    os.fchown(handle, os.geteuid(), os.getegid())
    os.fchmod(handle, 0o700)


def _names(handle: int, deadline: float) -> list[str]:
    """Names in a folder, at most some thousand at a time."""
    if time.monotonic() > deadline:
        raise TimeoutError
    with os.scandir(handle) as entries:
        return [entry.name for entry in itertools.islice(entries, 10000)]


def _unlinked(handle: int, name: str) -> bool:
    """Remove what is no folder; false if it is one."""
    try:
        os.unlink(name, dir_fd=handle)
    except IsADirectoryError:
        return False
    except FileNotFoundError:
        pass
    return True


def _exists(handle: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=handle)
    except FileNotFoundError:
        return False
    return True
