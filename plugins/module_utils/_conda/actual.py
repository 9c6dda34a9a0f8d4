# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment is on the host. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Sequence

from .._text.secrets import mask_urls
from .manifest import Manifest
from .records import Package

if t.TYPE_CHECKING:
    from .verify import Problem


@dataclasses.dataclass(frozen=True)
class Shadow:
    """A distribution that pip installed over the same one of conda."""

    pip: Package
    conda: Package

    def line(self) -> str:
        return f"pip package {self.pip.name} {self.pip.version} shadows conda package {self.conda.name} {self.conda.version}"


@dataclasses.dataclass(frozen=True)
class Actual:
    """What was read from the host. `manifest` is None where this module did not build what it found.

    `frozen` is the message of conda's marker, None without one. `unwritten`: the manifest on the disk does not say so yet.
    `damage`: files that are not as installed, as far as the task wants them to be looked at.
    """

    exists: bool = False
    manifest: Manifest | None = None
    conda: tuple[Package, ...] = ()
    pip: tuple[Package, ...] = ()
    unreadable: str = ""
    frozen: str | None = None
    shadows: tuple[Shadow, ...] = ()
    unwritten: bool = False
    damage: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """Content as lines of a diff: conda packages, requirements given to pip, and what pip was asked by hand."""
        known = self.manifest.pip if self.manifest else ()
        requirements = self.manifest.requirements if self.manifest else ()
        return as_lines([*self.conda, *(package for package in self.pip if package not in known)], requirements)


def as_lines(packages: t.Iterable[Package], requirements: Sequence[str]) -> list[str]:
    """Packages in order of name, then what pip is given, in its own order."""
    return [package.line() for package in sorted(set(packages))] + [f"pip: {mask_urls(line)}" for line in requirements]
