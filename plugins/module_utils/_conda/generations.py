# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where generations of an environment live.

    envs/nlp -> .generations/nlp-<digest>.1     what people use: a link, replaced by rename(2)
    envs/.generations/nlp-<digest>.1            a real prefix
    envs/.generations/nlp.adopted.1             a directory that stood at envs/nlp before; never removed by a change

Private to this collection.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import re

from .manifest import MANIFEST_FILE

FOLDER = ".generations"
# What a run that was killed leaves: a generation on its way out, and a link that is not in its place yet.
REMOVING = ".removing-"
NEW_LINK = ".link-"


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


def left(generation: str) -> int:
    """When people last had a finished generation (ns). Raises OSError for one that was never finished."""
    return os.lstat(os.path.join(generation, MANIFEST_FILE)).st_mtime_ns


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


def leftovers(layout: Layout) -> bool:
    """True if a killed run of this environment left something beside its generations."""
    try:
        names = os.listdir(layout.folder)
    except FileNotFoundError:
        return False
    return any(name == NEW_LINK + layout.name or name.startswith(REMOVING + layout.name) for name in names)
