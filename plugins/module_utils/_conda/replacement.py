# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conda installation takes the place of another one.

The new base is installed beside the old one, under the final path in a mount namespace of its own, and then the two are
exchanged. The folders `envs` and `pkgs` move along, so environments never know; so does whatever else no package brought.
Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping

from . import base_manifest, installer
from .base_manifest import INSTALLED
from .errors import CondaEnvError
from .installer import CARRIED, MARKER, UNFINISHED, Installer
from .prefix import tidy_permissions
from .process import Completed, Runner
from .switch import exchange, sync_folder
from .workshop import PACKAGE_CACHE

# unshare(1): changes of the mount table are seen by the installer alone.
_PRIVATE_MOUNT = ("unshare", "--mount", "--propagation", "private", "sh", "-euc")
_MOUNT_AND_RUN = 'mount --bind "$1" "$2"; shift 2; exec "$@"'
# Folders of a base in which packages and people meet.
_SHARED = ("bin", "condabin", "etc", "share", "shell")
# What stands for one of two names while they are exchanged where the kernel cannot do it in one step.
_SPARE = ".spare"


def install(file: str, prefix: str, wanted: Installer, run: Runner, environment: Mapping[str, str]) -> str:
    """Install into a prefix that has room; returns where a foreign installation was kept, or nothing.

    On failure an existing installation is as it was, and a new prefix is removed.
    """
    command = ["sh", file, "-b", "-u", "-p", prefix]
    if not os.path.lexists(prefix):
        with _half_made(prefix):
            _finish(run(command, environment), prefix, prefix, wanted)
            _mark_finished(prefix)
        return ""
    beside = _beside(prefix)
    with _half_made(beside):
        if run([*_PRIVATE_MOUNT, "exit 0"], environment).code == 0:
            _finish(run([*_PRIVATE_MOUNT, _MOUNT_AND_RUN, "sh", beside, prefix, *command], environment), beside, prefix, wanted)
            _exchange(prefix, beside)
        else:
            # Not allowed to mount: the installer works at the final path, and environments are out of sight until it is done.
            try:
                _swap(prefix, beside)
            except OSError as error:
                raise _refusal(error) from None
            try:
                _finish(run(command, environment), prefix, prefix, wanted)
            except BaseException:
                _swap(prefix, beside)
                raise
            _mark_finished(prefix)
    return _clear(prefix, beside)


def interrupted(prefix: str) -> bool:
    """True if a run was killed while it replaced the installation."""
    return any(os.path.lexists(path) for path in (_beside(prefix), prefix + _SPARE))


def repair_interrupted(prefix: str) -> str:
    """Finish or undo what a killed run left: the half-made base goes away, and all that people have is in its place.

    Returns where a foreign installation is kept that had made room already, or nothing.
    """
    beside = _beside(prefix)
    for name in CARRIED:
        ours, theirs = os.path.join(prefix, name), os.path.join(beside, name)
        _complete_swap(ours, theirs)
        _complete_swap(theirs, ours)
    _complete_swap(prefix, beside)
    if not os.path.isdir(beside):
        return ""
    if not os.path.lexists(prefix):
        os.rename(beside, prefix)
        return ""
    if os.path.lexists(os.path.join(prefix, UNFINISHED)):
        _swap(prefix, beside)
    if os.path.lexists(os.path.join(beside, UNFINISHED)):
        # It never came to an exchange.
        shutil.rmtree(beside)
        return ""
    return _clear(prefix, beside)


def _clear(prefix: str, beside: str) -> str:
    """Bring back what belongs to the host, and take the other installation away; it is kept if it is not ours."""
    _bring_back(beside, prefix)
    sync_folder(os.path.dirname(prefix))
    if installer.read(beside).foreign:
        kept = installer.unused(f"{prefix}.replaced.")
        os.rename(beside, kept)
        return kept
    shutil.rmtree(beside)
    return ""


def _finish(done: Completed, result: str, prefix: str, wanted: Installer) -> None:
    """Look at what the installer made in `result`, and mark it as complete. `prefix`: where it will be."""
    if done.code != 0 or not installer.has_essentials(result):
        last = (done.output.splitlines() or ["no output"])[-1]
        raise CondaEnvError(f"the installer {wanted.name} failed with exit code {done.code}: {last}", "", done.output)
    for name in ("envs", PACKAGE_CACHE):
        os.makedirs(os.path.join(result, name), exist_ok=True)
    tidy_permissions(result)
    base_manifest.write_down(result, prefix, wanted.sha256)
    os.sync()
    with open(os.path.join(result, MARKER), "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(wanted), file)


def _exchange(prefix: str, beside: str) -> None:
    """Give the new base what belongs to the host, and then the place; all of it, or nothing."""
    # From here on it holds what people have.
    _mark_finished(beside)
    done: list[str] = []
    try:
        for name in _belongings(prefix, beside):
            _move(os.path.join(prefix, name), os.path.join(beside, name))
            done.append(name)
        _swap(prefix, beside)
    except OSError as error:
        for name in reversed(done):
            _move(os.path.join(beside, name), os.path.join(prefix, name))
        _mark_unfinished(beside)
        raise _refusal(error) from None


def _refusal(error: OSError) -> CondaEnvError:
    return CondaEnvError(
        f"it cannot be exchanged with another one: {error.strerror}: {error.filename}",
        "Choose another prefix; a folder of an image's own layer, for example, cannot be moved in a container. "
        "Everything is where it was.",
    )


def _belongings(source: str, target: str) -> list[str]:
    """Names in one base that have to be in the other: environments, package caches; of our own, also what no package brought."""
    found = [name for name in CARRIED if os.path.isdir(os.path.join(source, name))]
    if not installer.is_ours(source):
        return found
    names = set(os.listdir(source)) - {MARKER, UNFINISHED, INSTALLED, *CARRIED} - set(os.listdir(target))
    found += sorted(names - _packaged(source)) if names else []
    known = base_manifest.accounted(source)
    return found if known is None else [*found, *_deeper(source, target, known)]


def _deeper(source: str, target: str, known: Collection[str]) -> list[str]:
    """Paths in folders of both that are neither `known` in the one nor there in the other; folders of somebody's as a whole."""
    folders = {path[:end] for path in known for end, sign in enumerate(path) if sign == "/"}

    def walk(inside: str) -> Iterator[str]:
        for entry in sorted(os.scandir(os.path.join(source, inside)), key=lambda entry: entry.name):
            path = f"{inside}/{entry.name}"
            if path in known or entry.name == "__pycache__":
                continue
            there = os.path.lexists(os.path.join(target, path))
            if entry.is_dir(follow_symlinks=False) and (there or path in folders):
                yield from walk(path)
            elif not there:
                yield path

    both = [name for name in _SHARED if all(os.path.isdir(os.path.join(base, name)) for base in (source, target))]
    return [path for name in both for path in walk(name)]


def _packaged(prefix: str) -> set[str]:
    """Names in a prefix that its conda packages brought."""
    names: set[str] = set()
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(os.path.join(prefix, "conda-meta")):
            if entry.name.endswith(".json"):
                with contextlib.suppress(OSError, ValueError, TypeError, KeyError), open(entry.path, encoding="utf-8") as file:
                    names.update(str(path).split("/", 1)[0] for path in json.load(file)["files"])
    return names


def _bring_back(source: str, prefix: str) -> None:
    """Move to the prefix what belongs to the host and is still, or again, in the other base."""
    for name in _belongings(source, prefix):
        theirs, ours = os.path.join(source, name), os.path.join(prefix, name)
        # The package cache is never empty after an installation; the larger one is the one that was in use.
        if _size(ours) < _size(theirs) and (name == PACKAGE_CACHE or not _size(ours)):
            _move(theirs, ours)


def _size(path: str) -> int:
    """Number of entries in a folder; something else counts as one, nothing as none."""
    if os.path.isdir(path):
        return len(os.listdir(path))
    return int(os.path.lexists(path))


def _move(source: str, target: str) -> None:
    """Put a file or folder to its place; what stands there comes back."""
    if os.path.lexists(target):
        _swap(source, target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(source, target)


def _swap(first: str, second: str) -> None:
    """Exchange two names of one file system."""
    if exchange(first, second):
        return
    os.rename(first, first + _SPARE)
    try:
        os.rename(second, first)
    except OSError:
        os.rename(first + _SPARE, first)
        raise
    os.rename(first + _SPARE, second)


def _complete_swap(first: str, second: str) -> None:
    """Undo or finish an exchange in three steps that was killed."""
    if os.path.lexists(first + _SPARE):
        os.rename(first + _SPARE, second if os.path.lexists(first) else first)


def _mark_unfinished(prefix: str) -> None:
    with open(os.path.join(prefix, UNFINISHED), "w", encoding="utf-8"):
        pass


def _mark_finished(prefix: str) -> None:
    os.unlink(os.path.join(prefix, UNFINISHED))


def _beside(prefix: str) -> str:
    return f"{prefix}.next"


@contextlib.contextmanager
def _half_made(path: str) -> Iterator[None]:
    """A new base, marked as unfinished. On failure it goes away as long as it has the mark: later it holds what people have."""
    os.mkdir(path, 0o755)
    _mark_unfinished(path)
    try:
        yield
    except BaseException:
        if os.path.lexists(os.path.join(path, UNFINISHED)):
            shutil.rmtree(path, ignore_errors=True)
        raise


@contextlib.contextmanager
def private_folder(path: str) -> Iterator[str]:
    """A folder that only its owner can enter, removed at the end."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
