# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch from one generation to the next, and the way out for those that nobody needs. Private to this collection."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import time
import typing as t

from .._text.escapes import in_one_line
from .errors import CondaEnvError
from .generations import FOLDER, NEW_LINK, REMOVING, Found, Layout
from .manifest import MANIFEST_FILE

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def switch(layout: Layout, generation: str) -> str | None:
    """Point the link at a generation, atomically. Returns where a directory went that stood there; it is never removed."""
    target = os.path.join(FOLDER, os.path.basename(generation))
    temporary = os.path.join(layout.folder, f"{NEW_LINK}{layout.name}")
    for path in (layout.current(), generation):
        _note_use(path)
    _clear_new_link(layout)
    os.symlink(target, temporary)
    if os.path.islink(layout.link) or not os.path.lexists(layout.link):
        os.replace(temporary, layout.link)
        sync_folder(os.path.dirname(layout.link))
        return None
    kept = layout.adopted()
    if exchange(temporary, layout.link):
        os.rename(temporary, kept)
    else:
        os.rename(layout.link, kept)
        os.replace(temporary, layout.link)
    sync_folder(os.path.dirname(layout.link))
    return kept


def foreign_link(layout: Layout) -> list[str]:
    """What is told of a link of somebody else that makes room: where it led. What it led to stays."""
    if layout.found() is not Found.FOREIGN_LINK:
        return []
    return [f"{layout.link} was a link to {in_one_line(os.readlink(layout.link))}; only the link makes room"]


def _note_use(generation: str | None) -> None:
    """The time of the manifest says when people last had a generation: that decides which former ones are kept."""
    if generation is not None:
        now = time.time_ns()  # finer than the time that the kernel would write
        with contextlib.suppress(OSError):
            os.utime(os.path.join(generation, MANIFEST_FILE), ns=(now, now), follow_symlinks=False)


def exchange(first: str, second: str) -> bool:
    """Swap two names in one step (renameat2); False where the kernel or file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    code: int = renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return code == 0


def sync_folder(path: str) -> None:
    """Make a rename last through a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def in_use(paths: t.Sequence[str]) -> set[str]:
    """Those of some prefixes from which a process runs or maps files, as far as /proc may be read."""
    used: set[str] = set()
    for process in os.listdir("/proc") if paths else ():
        if not process.isdigit():
            continue
        text = ""
        for link in ("exe", "cwd"):
            with contextlib.suppress(OSError):
                text += os.readlink(f"/proc/{process}/{link}") + "/\n"
        with contextlib.suppress(OSError), open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as file:
            text += file.read()
        used.update(path for path in paths if os.path.realpath(path) + "/" in text)
    return used


def remove(layout: Layout, paths: t.Sequence[str]) -> None:
    """Remove generations: first out of sight by a rename, then file by file; a later run finishes what was interrupted."""
    for path in paths:
        os.rename(path, layout.unused(f"{REMOVING}{os.path.basename(path)}."))
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(layout.folder):
            if name.startswith(REMOVING):
                shutil.rmtree(os.path.join(layout.folder, name))
        _clear_new_link(layout)


def _clear_new_link(layout: Layout) -> None:
    """Make room for a new link. After a run that was killed between two renames an adopted directory stands there."""
    temporary = os.path.join(layout.folder, f"{NEW_LINK}{layout.name}")
    if os.path.islink(temporary):
        os.unlink(temporary)
    elif os.path.lexists(temporary):
        os.rename(temporary, layout.adopted())


def take_away(layout: Layout) -> list[str]:
    """Make the environment disappear in one step; returns the generations that are left to remove."""
    if os.path.islink(layout.link):
        os.unlink(layout.link)
    elif os.path.lexists(layout.link):
        os.makedirs(layout.folder, mode=0o755, exist_ok=True)
        os.rename(layout.link, layout.unused(f"{REMOVING}{layout.name}."))
    return layout.generations()


def require_room(layout: Layout, found: Found, adopt: bool) -> None:
    """Refuse what must not be moved out of the way."""
    if found is Found.OTHER:
        raise CondaEnvError(
            f"{layout.link} is neither a conda environment nor empty",
            "Move it away yourself, or give the environment another name; it has not been touched.",
        )
    if not adopt and found in (Found.ENVIRONMENT, Found.REMAINS, Found.FOREIGN_LINK):
        raise CondaEnvError(
            f"{layout.link} is not managed by this module",
            "Set 'adopt: true' to move it aside when the new environment is ready; it has not been touched.",
        )
