# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conda installation in a prefix: which installer it came from, and what keeps it from being replaced by another one.

Only what this collection has marked is ever removed. Private to this collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import re
from collections.abc import Sequence

from .._text.escapes import listing
from .errors import CondaEnvError
from .workshop import PACKAGE_CACHE, PRIVATE_CACHE

MARKER = ".conda_installation.json"
# Stands in a prefix that the installer is at work in.
UNFINISHED = ".conda_installation.unfinished"
# What conda cannot work without. A prefix that lacks one of them was never finished, or was damaged.
ESSENTIAL = ("bin/python", "bin/conda", "conda-meta/history", "etc/profile.d/conda.sh")
# What people go through on their way to conda, its programs and environments.
PASSAGES = ("bin", "condabin", "conda-meta", "envs", "etc", "etc/profile.d", "lib", "shell", "shell/condabin")
# What belongs to the host and not to the installer.
CARRIED = ("envs", PACKAGE_CACHE, PRIVATE_CACHE)
# A folder with one of these is somebody's conda, whole or not. A program `bin/conda` is none: it may lead to another place.
_OF_CONDA = ("conda-meta", "condabin")
# What holds the programs and data of others, even where somebody has unpacked a conda into it: it is never moved as a whole.
OF_THE_SYSTEM = re.compile(
    r"/(?:bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|usr/local|var)?"
)


@dataclasses.dataclass(frozen=True)
class Installer:
    """An installer file by name and SHA-256 (hex)."""

    name: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Installed:
    """What stands at a prefix. `installer` is None where this collection did not finish an installation.

    `foreign` are names of what somebody else has put there; empty where this collection has marked the prefix as its own.
    """

    exists: bool
    complete: bool
    installer: Installer | None
    foreign: tuple[str, ...] = ()


def read(prefix: str) -> Installed:
    """Read a prefix; starts nothing."""
    return Installed(
        exists=os.path.lexists(prefix),
        complete=has_essentials(prefix) and not _begun(prefix),
        installer=marker(prefix),
        foreign=_foreign(prefix),
    )


def has_essentials(prefix: str) -> bool:
    return all(os.path.exists(os.path.join(prefix, path)) for path in ESSENTIAL)


def is_ours(prefix: str) -> bool:
    """Whether this collection has made what stands there, or begun to."""
    return marker(prefix) is not None or _begun(prefix)


def _begun(prefix: str) -> bool:
    return os.path.lexists(os.path.join(prefix, UNFINISHED))


def _foreign(prefix: str) -> tuple[str, ...]:
    if not os.path.isdir(prefix) or is_ours(prefix):
        return ()
    return tuple(sorted(set(os.listdir(prefix)) - set(CARRIED)))


def reason(found: Installed, wanted: Installer) -> str:
    """Why the installer has to run; empty if it has not to."""
    if not found.exists:
        return "there is no conda installation"
    if not found.complete and not found.foreign:
        return "the installation was never finished, or is damaged"
    if found.installer is None:
        return "the installation was not made by this module"
    if found.installer != wanted:
        return f"it was made by {found.installer.name}"
    return ""


def require_room(prefix: str, found: Installed, mount_points: Sequence[str]) -> None:
    """Raise CondaEnvError where an installation cannot be put, or replaced as a whole, without harm to what others have there."""
    if OF_THE_SYSTEM.fullmatch(prefix):
        raise CondaEnvError(
            "found a folder of the system; expected one that is conda's alone",
            f"Choose a folder in it: {os.path.join(prefix, 'miniconda3')}.{_UNCHANGED}",
        )
    if not found.exists:
        parent = os.path.dirname(prefix)
        if not os.path.isdir(parent):
            raise CondaEnvError(
                f"found no folder {parent}; expected the one that conda is put into",
                f"Make it, mount the disk that it is on, or choose another prefix.{_UNCHANGED}",
            )
        return
    if not os.path.isdir(prefix):
        raise CondaEnvError(
            "found a file in its place; expected a folder, or nothing", f"Move it away, or choose another prefix.{_UNCHANGED}"
        )
    if prefix in mount_points:
        raise CondaEnvError(
            "found a mount point; expected a folder that can be replaced as a whole",
            f"Choose a folder in it: {os.path.join(prefix, 'conda')}.{_UNCHANGED}",
        )
    # One environment may well have a disk of its own: it moves along with the folder that it is in.
    inside = [path for path in mount_points if path.startswith(f"{prefix}/")]
    carried = tuple(f"{prefix}/{name}/" for name in CARRIED)
    if in_the_way := [path for path in inside if not path.startswith(carried)]:
        raise CondaEnvError(
            f"found a mount point in it: {listing(in_the_way)}; expected none, since the installation is replaced as a whole",
            f"Mount the disk at another place and choose a prefix in it, or let a link lead from here to it.{_UNCHANGED}",
        )
    for path in (os.path.join(prefix, name) for name in CARRIED):
        if os.path.lexists(path) and not os.path.isdir(path):
            what = f"a link to {os.readlink(path)}, where no folder is" if os.path.islink(path) else "a file"
            raise CondaEnvError(
                f"found {what} at {path}; expected a folder, which goes on in the new installation",
                f"Mount the disk that it leads to, or move it away.{_UNCHANGED}",
            )
    if found.foreign and not any(os.path.lexists(os.path.join(prefix, name)) for name in _OF_CONDA):
        raise CondaEnvError(
            f"found what is no conda installation: {listing(found.foreign)}; expected one, or an empty folder",
            f"Move it away, or choose another prefix.{_UNCHANGED}",
        )


_UNCHANGED = " Nothing has been changed."


def keeps(prefix: str, found: Installed) -> str:
    """Where an installation is kept that is not ours and has to make room; empty if there is none."""
    return unused(f"{prefix}.replaced.") if found.foreign else ""


def unused(stem: str) -> str:
    number = 1
    while os.path.lexists(f"{stem}{number}"):
        number += 1
    return f"{stem}{number}"


def marker(prefix: str) -> Installer | None:
    try:
        with open(os.path.join(prefix, MARKER), encoding="utf-8") as file:
            return Installer(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


# conda's versions, and so Miniconda's and Miniforge's, say when they were made: 26.7.1 is of July 2026 (CEP 8).
_RELEASED = re.compile(r"[_-](2\d)\.(\d{1,2})\.\d+")


def too_old(name: str, today: datetime.date, months: int) -> int:
    """How many months old an installer is, if that is so many or more (0: never); 0 if not, or if its name does not tell."""
    found = _RELEASED.search(name)
    age = (today.year - 2000 - int(found[1])) * 12 + today.month - int(found[2]) if found else 0
    return age if 0 < months <= age else 0


def age_notice(name: str, today: datetime.date, months: int) -> list[str]:
    """What is told of an installer that is too old."""
    age = too_old(name, today, months)
    told = f"{name} is {age} months old; expected a release of the last {months}. Change 'miniconda_version'"
    return [told] if age else []


def verify(path: str, wanted: Installer) -> None:
    """Compare a downloaded file with its checksum; a file that does not match is deleted."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != wanted.sha256:
        os.unlink(path)
        raise CondaEnvError(
            f"the checksum of {wanted.name} does not match: found sha256:{digest.hexdigest()}, expected sha256:{wanted.sha256}",
            "The file has been deleted and nothing of it was run. Compare version and checksum with the publisher's list; "
            "if they are right, the mirror offers another file.",
        )
