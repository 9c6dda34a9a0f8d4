# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a generation is known to contain, and whether it still does: one file of our own, and two fingerprints.

The quick fingerprint is made of size, times and inode of every file that conda and pip write when they change something;
the thorough one of what these files say. As long as the quick one fits, nothing else is read. When it does not (a restored
backup, a `touch`, one more hard link), the thorough one decides. Standard library only. Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import typing as t

from .._host.files import put_file, read_bounded
from .._text.escapes import listing
from .records import RECORD_LIMIT, Package, distribution_files, pip_packages, read_json, record_files, site_packages

MANIFEST_FILE = ".conda_env.json"
# The same of what a task made present in a conda installation itself: that is no generation.
BASE_MANIFEST_FILE = ".conda_base.json"
FORMAT = 1
# Beside the records: what was done (history), variables and pins. The marker of a frozen environment is compared by itself.
_META_FILES = ("history", "state", "pinned")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is written down of a generation. `prefix` is its real path, `requirements` the lines given to pip.

    `settings` is a fingerprint of variables and pins alone, `kept` names packages that are there beyond the specification.
    `known_damage` are files that differed from their records from the start, None if nobody looked. `rolled_back_from` is the
    generation that people had before they were sent back to this one. `finished_ns` and `made` are those of damage.Notes; 0
    where an earlier version of this module wrote the manifest.
    """

    prefix: str
    digest: str
    conda: tuple[Package, ...]
    pip: tuple[Package, ...]
    requirements: tuple[str, ...]
    site_packages: tuple[str, ...]
    quick: str
    thorough: str
    settings: str = ""
    kept: tuple[str, ...] = ()
    known_damage: tuple[str, ...] | None = None
    rolled_back_from: str = ""
    finished_ns: int = 0
    made: tuple[tuple[str, str], ...] = ()

    def packages(self) -> list[dict[str, str]]:
        """What is installed, for the module's result."""
        return [vars(package) for package in (*self.conda, *self.pip)]


def watched(prefix: str, places: t.Iterable[str]) -> list[str]:
    """Every file that tells of a change by conda or pip."""
    meta = [os.path.join(prefix, "conda-meta", name) for name in _META_FILES]
    return [*record_files(prefix), *meta, *distribution_files(prefix, places)]


def quick_fingerprint(prefix: str, places: t.Iterable[str]) -> str:
    """Digest of path, size, times and inode of the watched files. Nobody can set back the time of the last change of an inode."""
    digest = hashlib.sha256()
    for path in watched(prefix, places):
        try:
            status = os.lstat(path)
        except OSError:
            seen = "-"
        else:
            seen = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        digest.update(f"{path[len(prefix) :]}\0{seen}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def thorough_fingerprint(prefix: str, places: t.Iterable[str]) -> str:
    """Digest of path and content of the watched files."""
    digest = hashlib.sha256()
    for path in watched(prefix, places):
        try:
            seen = hashlib.sha256(read_bounded(path, RECORD_LIMIT)).hexdigest()
        except OSError:
            seen = "-"
        digest.update(f"{path[len(prefix) :]}\0{seen}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def settings(prefix: str) -> str:
    """Digest of the variables and pins of an environment."""
    digest = hashlib.sha256()
    for name in ("state", "pinned"):
        try:
            with open(os.path.join(prefix, "conda-meta", name), "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
        except OSError:
            digest.update(b"-")
    return digest.hexdigest()


def take(prefix: str, digest: str, conda: t.Iterable[Package], requirements: t.Iterable[str]) -> Manifest:
    """Manifest of a prefix as it is now."""
    places = site_packages(prefix)
    return Manifest(
        prefix=prefix,
        digest=digest,
        conda=tuple(sorted(conda)),
        pip=tuple(pip_packages(prefix, places)),
        requirements=tuple(requirements),
        site_packages=tuple(places),
        quick=quick_fingerprint(prefix, places),
        thorough=thorough_fingerprint(prefix, places),
        settings=settings(prefix),
    )


def untouched(manifest: Manifest) -> bool:
    """True if the metadata alone says that nothing has changed since the manifest was taken."""
    return quick_fingerprint(manifest.prefix, manifest.site_packages) == manifest.quick


def confirm(manifest: Manifest) -> Manifest | None:
    """The manifest as it is still true, or None if conda, pip or a person changed something since it was taken.

    After a restored backup the content is the same but the metadata is not: then the answer has a new quick fingerprint, which is
    worth writing down.
    """
    quick = quick_fingerprint(manifest.prefix, manifest.site_packages)
    if quick == manifest.quick:
        return manifest
    if thorough_fingerprint(manifest.prefix, manifest.site_packages) == manifest.thorough:
        return dataclasses.replace(manifest, quick=quick)
    return None


def by_hand(manifest: Manifest) -> str:
    """In words, where the packages are the same and the manifest is not true: which files have changed since it was taken."""
    found = []
    for path in watched(manifest.prefix, manifest.site_packages):
        with contextlib.suppress(OSError):
            if os.lstat(path).st_ctime_ns > manifest.finished_ns > 0:
                found.append(os.path.relpath(path, manifest.prefix))
    return f"records of conda or pip were changed by hand{': ' if found else ''}{listing(found, 5)}"


def write(manifest: Manifest, name: str = MANIFEST_FILE, folder: str = "") -> None:
    """Write it down: from now on the generation counts as complete. `folder`: where the prefix is for now."""
    put_file(folder or manifest.prefix, name, json.dumps({"format": FORMAT, **dataclasses.asdict(manifest)}))


def load(prefix: str, name: str = MANIFEST_FILE) -> Manifest | None:
    """Manifest of a generation; None if it was never finished, was copied from elsewhere, or cannot be read."""
    try:
        content = read_json(os.path.join(prefix, name))
        if content.pop("format") != FORMAT or content["prefix"] != prefix:
            return None
        for key in ("conda", "pip"):
            content[key] = tuple(Package(**item) for item in content[key])
        for key in ("requirements", "site_packages", "kept", "known_damage"):
            if isinstance(content.get(key), list):
                content[key] = tuple(content[key])
        content["made"] = tuple((path, seen) for path, seen in content.get("made", ()))
        return Manifest(**content)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
