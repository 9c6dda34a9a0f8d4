# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conda installation in a prefix: which installer it came from, and its replacement by another one.

The new base is installed beside the old one, under the final path in a mount namespace of its own, and then the two are
exchanged. The folders `envs` and `pkgs` move along, so environments never know. Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping

from .errors import CondaEnvError
from .generations import exchange, sync_folder
from .prefix import tidy_permissions
from .process import Completed, Runner
from .workshop import PACKAGE_CACHE, PRIVATE_CACHE

MARKER = ".conda_installation.json"
# What conda cannot work without. A prefix that lacks one of them was never finished, or was damaged.
ESSENTIAL = ("bin/python", "bin/conda", "conda-meta/history", "etc/profile.d/conda.sh")
# What belongs to the host and not to the installer.
CARRIED = ("envs", PACKAGE_CACHE, PRIVATE_CACHE)
# unshare(1): changes of the mount table are seen by the installer alone.
_PRIVATE_MOUNT = ("unshare", "--mount", "--propagation", "private", "sh", "-euc")
_MOUNT_AND_RUN = 'mount --bind "$1" "$2"; shift 2; exec "$@"'


@dataclasses.dataclass(frozen=True)
class Installer:
    """An installer file by name and SHA-256 (hex)."""

    name: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Installed:
    """What stands at a prefix. `installer` is None where this collection did not finish an installation."""

    exists: bool
    complete: bool
    installer: Installer | None


def read(prefix: str) -> Installed:
    """Read a prefix; starts nothing."""
    return Installed(
        exists=os.path.lexists(prefix),
        complete=_has_essentials(prefix) and not os.path.exists(_journal(prefix)),
        installer=_marker(prefix),
    )


def _has_essentials(prefix: str) -> bool:
    return all(os.path.exists(os.path.join(prefix, path)) for path in ESSENTIAL)


def reason(found: Installed, wanted: Installer) -> str:
    """Why the installer has to run; empty if it has not to."""
    if not found.exists:
        return "there is no conda installation"
    if not found.complete:
        return "the installation was never finished, or is damaged"
    if found.installer is None:
        return "the installation was not made by this module"
    if found.installer != wanted:
        return f"it was made by {found.installer.name}"
    return ""


def _marker(prefix: str) -> Installer | None:
    try:
        with open(os.path.join(prefix, MARKER), encoding="utf-8") as file:
            return Installer(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


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


def interrupted(prefix: str) -> bool:
    """True if a run was killed while it replaced the installation."""
    return os.path.lexists(_beside(prefix)) or os.path.lexists(_journal(prefix))


def repair_interrupted(prefix: str) -> None:
    """Undo what a killed run left: people's environments go back to their place, the half-made base goes away."""
    beside = _beside(prefix)
    if not os.path.isdir(beside):
        return
    if os.path.isdir(prefix):
        _bring_back(beside, prefix)
        shutil.rmtree(beside)
    else:
        os.rename(beside, prefix)


def install(file: str, prefix: str, wanted: Installer, run: Runner, environment: Mapping[str, str]) -> str:
    """Install into a prefix; returns where a foreign installation was kept, or nothing.

    On failure an existing installation is as it was, and a new prefix is removed.
    """
    found = read(prefix)
    if not found.exists:
        with _noted(_journal(prefix)):
            _finish(run(["sh", file, "-b", "-p", prefix], environment), prefix, wanted, unwanted=prefix)
        return ""
    beside = _beside(prefix)
    os.mkdir(beside, 0o755)
    command = ["sh", file, "-b", "-u", "-p", prefix]
    if run([*_PRIVATE_MOUNT, "exit 0"], environment).code == 0:
        done = run([*_PRIVATE_MOUNT, _MOUNT_AND_RUN, "sh", beside, prefix, *command], environment)
        _finish(done, beside, wanted, unwanted=beside)
        for name in CARRIED:
            if os.path.isdir(os.path.join(prefix, name)):
                _swap(os.path.join(prefix, name), os.path.join(beside, name))
        _swap(prefix, beside)
    else:
        # Not allowed to mount: the installer works at the final path, and environments are out of sight until it has finished.
        _swap(prefix, beside)
        try:
            _finish(run(command, environment), prefix, wanted)
        except CondaEnvError:
            _swap(prefix, beside)
            shutil.rmtree(beside)
            raise
        _bring_back(beside, prefix)
    sync_folder(os.path.dirname(prefix))
    if found.complete and found.installer is None:
        kept = _unused(f"{prefix}.replaced.")
        os.rename(beside, kept)
        return kept
    shutil.rmtree(beside)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_journal(prefix))
    return ""


def _finish(done: Completed, result: str, wanted: Installer, unwanted: str = "") -> None:
    """Look at what the installer made in `result`, and mark it as complete; `unwanted` is removed if it is not."""
    if done.code != 0 or not _has_essentials(result):
        if unwanted:
            shutil.rmtree(unwanted, ignore_errors=True)
        last = (done.output.splitlines() or ["no output"])[-1]
        raise CondaEnvError(f"the installer {wanted.name} failed with exit code {done.code}: {last}", "", done.output)
    for name in ("envs", PACKAGE_CACHE):
        os.makedirs(os.path.join(result, name), exist_ok=True)
    tidy_permissions(result)
    os.sync()
    with open(os.path.join(result, MARKER), "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(wanted), file)


def _bring_back(source: str, prefix: str) -> None:
    for name in CARRIED:
        theirs, ours = os.path.join(source, name), os.path.join(prefix, name)
        if os.path.isdir(theirs) and os.listdir(theirs) and not (os.path.isdir(ours) and os.listdir(ours)):
            _swap(ours, theirs)
    # The package cache is never empty after an installation; the larger one is the one that was in use.
    ours, theirs = (os.path.join(folder, PACKAGE_CACHE) for folder in (prefix, source))
    if os.path.isdir(theirs) and os.path.isdir(ours) and len(os.listdir(theirs)) > len(os.listdir(ours)):
        _swap(ours, theirs)


def _swap(first: str, second: str) -> None:
    """Exchange two folders; a missing one is made first."""
    for path in (first, second):
        os.makedirs(path, exist_ok=True)
    if exchange(first, second):
        return
    spare = _unused(f"{first}.spare.")
    os.rename(first, spare)
    os.rename(second, first)
    os.rename(spare, second)


def _beside(prefix: str) -> str:
    return f"{prefix}.next"


def _journal(prefix: str) -> str:
    """Stands beside a prefix while its first installation runs: what a killed one leaves is nobody's work."""
    return f"{prefix}.installing"


@contextlib.contextmanager
def _noted(path: str) -> Iterator[None]:
    with open(path, "w", encoding="utf-8"):
        pass
    try:
        yield
    finally:
        os.unlink(path)


def _unused(stem: str) -> str:
    number = 1
    while os.path.lexists(f"{stem}{number}"):
        number += 1
    return f"{stem}{number}"


@contextlib.contextmanager
def private_folder(path: str) -> Iterator[str]:
    """A folder that only its owner can enter, removed at the end."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
