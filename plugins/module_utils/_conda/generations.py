# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where generations of an environment live, and the switch from one to the next.

    envs/nlp -> .generations/nlp-<digest>.1     what people use: a link, replaced by rename(2)
    envs/.generations/nlp-<digest>.1            a real prefix
    envs/.generations/nlp.adopted.1             a directory that stood at envs/nlp before; never removed by a change

Private to this collection.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import enum
import os
import re
import shutil
import time
import typing as t

from .._text.escapes import in_one_line
from .errors import CondaEnvError
from .manifest import MANIFEST_FILE

FOLDER = ".generations"
_REMOVING = ".removing-"
_NEW_LINK = ".link-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


class Found(enum.Enum):
    """What stands where the environment belongs."""

    MISSING = "missing"
    GENERATION = "generation"
    DEAD_LINK = "dead link"
    FOREIGN_LINK = "foreign link"
    ENVIRONMENT = "environment"
    REMAINS = "remains"
    OTHER = "other"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Paths of one environment. `link` is the path that people use."""

    link: str

    @property
    def name(self) -> str:
        return os.path.basename(self.link)

    @property
    def folder(self) -> str:
        return os.path.join(os.path.dirname(self.link), FOLDER)

    def current(self) -> str | None:
        """Real path of the generation that the link points to."""
        try:
            target = os.readlink(self.link)
        except OSError:
            return None
        path = os.path.normpath(os.path.join(os.path.dirname(self.link), target))
        owned = os.path.dirname(path) == self.folder and self.owns(os.path.basename(path))
        return path if owned else None

    def owns(self, name: str) -> bool:
        """True for the name of a generation or an adopted directory of this environment, and of no other."""
        own = re.escape(self.name)
        return re.fullmatch(rf"{own}(-[0-9a-f]{{12}}\.\d+|\.adopted\.\d+)", name) is not None

    def contains(self, path: str) -> bool:
        """True for the path that people use, and for that of each generation."""
        return path == self.link or (os.path.dirname(path) == self.folder and self.owns(os.path.basename(path)))

    def found(self) -> Found:
        """Say what stands at the link's path."""
        if os.path.islink(self.link):
            generation = self.current()
            if generation is None:
                return Found.FOREIGN_LINK
            return Found.GENERATION if os.path.isdir(generation) else Found.DEAD_LINK
        if not os.path.lexists(self.link):
            return Found.MISSING
        if not os.path.isdir(self.link):
            return Found.OTHER
        if os.path.isfile(os.path.join(self.link, "conda-meta", "history")):
            return Found.ENVIRONMENT
        entries = set(os.listdir(self.link))
        # A conda that was killed while it created the prefix leaves conda-meta without a history, or nothing yet.
        return Found.REMAINS if not entries or "conda-meta" in entries else Found.OTHER

    def generations(self) -> list[str]:
        """Real paths of all generations of this environment."""
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return []
        return [os.path.join(self.folder, name) for name in names if self.owns(name)]

    def next(self, digest: str) -> str:
        """Path for a new generation; no run of the past has used it for anything that still exists."""
        return self.unused(f"{self.name}-{digest[:12]}.")

    def adopted(self) -> str:
        """Path for a directory that makes room."""
        return self.unused(f"{self.name}.adopted.")

    def unused(self, stem: str) -> str:
        """Path of a new entry beside the generations, numbered."""
        number = 1
        while os.path.lexists(os.path.join(self.folder, f"{stem}{number}")):
            number += 1
        return os.path.join(self.folder, f"{stem}{number}")


def switch(layout: Layout, generation: str) -> str | None:
    """Point the link at a generation, atomically. Returns where a directory went that stood there; it is never removed."""
    target = os.path.join(FOLDER, os.path.basename(generation))
    temporary = os.path.join(layout.folder, f"{_NEW_LINK}{layout.name}")
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


def left(generation: str) -> int:
    """When people last had a finished generation (ns). Raises OSError for one that was never finished."""
    return os.lstat(os.path.join(generation, MANIFEST_FILE)).st_mtime_ns


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


def superseded(layout: Layout, keep: int) -> list[str]:
    """Generations to remove: those never finished, and finished ones but the `keep` that people had last."""
    current = layout.current()
    finished, unfinished = [], []
    for path in layout.generations():
        if path == current or ".adopted." in os.path.basename(path):
            continue
        try:
            finished.append((left(path), path))
        except OSError:
            unfinished.append(path)
    return unfinished + [path for _time, path in sorted(finished, reverse=True)[keep:]]


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


def leftovers(layout: Layout) -> bool:
    """True if a killed run of this environment left something beside its generations."""
    try:
        names = os.listdir(layout.folder)
    except FileNotFoundError:
        return False
    return any(name == _NEW_LINK + layout.name or name.startswith(_REMOVING + layout.name) for name in names)


def remove(layout: Layout, paths: t.Sequence[str]) -> None:
    """Remove generations: first out of sight by a rename, then file by file; a later run finishes what was interrupted."""
    for path in paths:
        os.rename(path, layout.unused(f"{_REMOVING}{os.path.basename(path)}."))
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(layout.folder):
            if name.startswith(_REMOVING):
                shutil.rmtree(os.path.join(layout.folder, name))
        _clear_new_link(layout)


def _clear_new_link(layout: Layout) -> None:
    """Make room for a new link. After a run that was killed between two renames an adopted directory stands there."""
    temporary = os.path.join(layout.folder, f"{_NEW_LINK}{layout.name}")
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
        os.rename(layout.link, layout.unused(f"{_REMOVING}{layout.name}."))
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
