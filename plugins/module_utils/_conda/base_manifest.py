# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installer made of a conda installation, and whether it is still so: packages, and the files that they brought.

Written down when the installer is done, and again when conda_env has added to it what a task asked for (allow_base). What
somebody adds with conda or pip is in neither. Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t
from collections.abc import Collection, Iterator

from . import damage, manifest
from .actual import Actual, as_lines
from .damage import Notes
from .errors import CondaEnvError
from .installer import MARKER
from .plan import changes
from .records import Package, conda_packages, pip_packages
from .verify import Problem, expected_files

INSTALLED = ".conda_installed.json"
# What people's shells and all commands of conda start with. An installer writes some of it itself, so no package knows it.
_STARTUP = ("bin", "condabin", "etc", "shell")


class Look(t.NamedTuple):
    """Why the installer has to run again, if it has to; and for the diff what is, and what should be."""

    reason: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def look(prefix: str, level: str) -> Look:
    """Compare an installation with what was written down. One that an earlier version of this module made: its files alone."""
    if level not in (damage.FILES, damage.FULL):
        return Look()
    written = manifest.load(prefix, INSTALLED)
    if written is None:
        with contextlib.suppress(OSError):
            finished = os.lstat(os.path.join(prefix, MARKER)).st_mtime_ns
            return _told((), (), (), damage.find(prefix, level, Notes(finished)))
        return Look()
    found = damage.of(written, level)
    if manifest.confirm(written) is not None:
        return _told((), (), (), found)
    unreadable, conda = "", written.conda
    try:
        conda = tuple(conda_packages(prefix))
    except CondaEnvError as error:
        unreadable = error.cause
    actual = Actual(True, written, conda, tuple(pip_packages(prefix)), unreadable)
    why = changes(actual, written) or [manifest.by_hand(written)]
    now, then = (*actual.conda, *actual.pip), (*written.conda, *written.pip)
    return _told(why, _lines(now, then), _lines(then, now), found)


def _lines(packages: Collection[Package], others: Collection[Package]) -> list[str]:
    return as_lines((package for package in packages if package not in others), ())


def _told(why: Collection[str], before: Collection[str], after: Collection[str], found: tuple[Problem, ...]) -> Look:
    reasons = (*why, *damage.reasons(found))
    is_, should_be = damage.sides(found)
    return Look("; ".join(reasons), (*before, *is_), (*after, *should_be))


def write_down(folder: str, prefix: str, digest: str) -> None:
    """The same for a base that is complete, in a folder that will be the prefix."""
    written = manifest.take(folder, digest, conda_packages(folder), ())
    written = damage.noted(written, damage.first_look(folder, _unrecorded(folder)))
    manifest.write(dataclasses.replace(written, prefix=prefix), INSTALLED, folder)


def _unrecorded(prefix: str) -> Iterator[str]:
    recorded = {item.path for item in expected_files(prefix)[0]}
    for top in _STARTUP:
        for folder, _folders, names in os.walk(os.path.join(prefix, top)):
            paths = (os.path.relpath(os.path.join(folder, name), prefix) for name in names if not name.endswith(".pyc"))
            yield from (path for path in paths if path not in recorded)


def accounted(prefix: str) -> set[str] | None:
    """Paths that packages or the installer have brought; None where that was not written down."""
    written = manifest.load(prefix, INSTALLED)
    if written is None:
        return None
    return {item.path for item in expected_files(prefix)[0]} | {path for path, _seen in written.made}


def before_adding(root: str) -> Collection[str] | None:
    """What is damaged in a base that is about to get more packages; None if it is not as it was written down anyway."""
    written = manifest.load(root, INSTALLED)
    if written is None or manifest.confirm(written) is None:
        return None
    return {item.path for item in damage.of(written, damage.FULL)}


def added_to(root: str, damaged: Collection[str] | None) -> None:
    """Write down that what is there now is right, but for what was damaged before."""
    written = manifest.load(root, INSTALLED)
    if written is None or damaged is None:
        return
    notes = damage.first_look(root, _unrecorded(root))
    former = dict(written.made)
    made = tuple((path, former.get(path, seen) if path in damaged else seen) for path, seen in notes.made)
    known = tuple(line for line in notes.known if line.partition(" (")[0] not in damaged)
    taken = manifest.take(root, written.digest, conda_packages(root), ())
    manifest.write(damage.noted(taken, Notes(notes.finished_ns, known, made)), INSTALLED)
