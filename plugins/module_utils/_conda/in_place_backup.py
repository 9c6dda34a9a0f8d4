# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a conda installation was before it is changed in place, so that a change that fails or is killed can be undone.

    .base-before.tmp    a copy that is being made: worth nothing
    .base-before        a complete copy: a change is under way, or was interrupted
    .base-before.done   a copy that nobody needs any more

conda and pip replace files instead of writing into them, so hard links keep the old content. Files that are edited in place are
copied. Standard library only. Private to this collection.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import stat
from collections.abc import Iterator

from .switch import sync_folder

BEFORE = ".base-before"
_MAKING = f"{BEFORE}.tmp"
_DONE = f"{BEFORE}.done"
# Not part of the installation's own environment, and never touched by a change of it.
_ASIDE = ("envs", "pkgs", "pkgs-private", "conda-bld", BEFORE, _MAKING, _DONE)
# conda's history and settings, what packages configure for the whole prefix, and pip's list of editable projects.
_EDITED_FOLDERS = ("conda-meta", "etc")
_EDITED_ENDING = ".pth"


def pending(root: str) -> str:
    """Path of the complete copy; empty if no change is under way and none was interrupted."""
    path = os.path.join(root, BEFORE)
    return path if os.path.isdir(path) else ""


def take(root: str) -> None:
    """Copy the installation's own environment. The mutex is held, and nothing is pending."""
    _clear(root)
    making = os.path.join(root, _MAKING)
    os.mkdir(making, 0o755)
    try:
        for path, entry in _entries(root):
            target = os.path.join(making, path)
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(target)
                _give(entry.path, target)
            else:
                _put(entry.path, target, path)
    except OSError:
        _clear(root)
        raise
    os.sync()
    os.rename(making, os.path.join(root, BEFORE))
    sync_folder(root)


def repair(root: str) -> bool:
    """Undo a change that did not come to its end, if there is one. May itself be interrupted and called again."""
    before = pending(root)
    if before:
        _restore(root, before)
        os.sync()
        discard(root)
    _clear(root)
    return bool(before)


def discard(root: str) -> None:
    """The change is good: from now on there is no way back."""
    os.rename(os.path.join(root, BEFORE), os.path.join(root, _DONE))
    sync_folder(root)
    _clear(root)


def _restore(root: str, before: str) -> None:
    known = set()
    for path, entry in list(_entries(before)):
        known.add(path)
        place = os.path.join(root, path)
        if entry.is_dir(follow_symlinks=False):
            if os.path.islink(place) or not os.path.isdir(place):
                _remove(place)
                os.mkdir(place)
            _give(entry.path, place)
        elif not _same(entry.path, place, path):
            new = f"{place}{BEFORE}"
            _remove(new)
            _put(entry.path, new, path)
            if os.path.isdir(place) and not os.path.islink(place):
                _remove(place)
            os.rename(new, place)
    for path, entry in list(_entries(root)):
        if path not in known:
            _remove(entry.path)


def _entries(top: str, inside: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(relative path, entry) of all that belongs to the installation's own environment, folders before what is in them."""
    with os.scandir(os.path.join(top, inside)) as found:
        entries = list(found)
    for entry in entries:
        if not inside and entry.name in _ASIDE:
            continue
        path = os.path.join(inside, entry.name)
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(top, path)


def _edited(path: str, mode: int) -> bool:
    return stat.S_ISREG(mode) and (path.split(os.sep, 1)[0] in _EDITED_FOLDERS or path.endswith(_EDITED_ENDING))


def _put(source: str, target: str, path: str) -> None:
    """Let `target` be what `source` is. `path` is the place of both in the installation."""
    if _edited(path, os.lstat(source).st_mode):
        shutil.copy2(source, target)
        _give(source, target)
    else:
        os.link(source, target, follow_symlinks=False)


def _same(source: str, place: str, path: str) -> bool:
    try:
        old, new = os.lstat(source), os.lstat(place)
    except OSError:
        return False
    if not _edited(path, old.st_mode):
        return (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino)
    alike = (old.st_mode, old.st_uid, old.st_gid) == (new.st_mode, new.st_uid, new.st_gid)
    return alike and filecmp.cmp(source, place, shallow=False)


def _give(source: str, target: str) -> None:
    """Owner and mode of a file or folder."""
    status, there = os.stat(source), os.stat(target)
    if (status.st_uid, status.st_gid) != (there.st_uid, there.st_gid):
        os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _clear(root: str) -> None:
    """Remove copies that are unfinished or not needed any more."""
    for name in (_MAKING, _DONE):
        _remove(os.path.join(root, name))
