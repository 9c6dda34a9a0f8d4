# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which environments a conda installation has, and what their files say about them. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import re
import typing as t

from .._text.secrets import mask_urls
from . import manifest
from .actual import Actual
from .additions import shadows
from .contents import listing
from .errors import CondaEnvError
from .generations import FOLDER, Found, Layout
from .plan import changes
from .records import conda_packages, pip_packages

_GENERATION = re.compile(r"^(?P<name>.+?)(?:-[0-9a-f]{12}\.\d+|\.adopted\.\d+)$")
_FIRST_DATE = re.compile(r"^==> (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) <==", re.MULTILINE)
# Where a conda installation keeps what is not its own environment.
_NOT_BASE = ("envs", "pkgs", "conda-bld")
_LEFT_BY_CONDA = ".c~"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an environment is. `kind` is base, or what `Found` calls it; `prefix` is the real path, empty if there is none."""

    name: str
    path: str
    kind: str
    prefix: str


@dataclasses.dataclass(frozen=True)
class Usage:
    """Allocated bytes, those that no hard link outside the prefix shares, and files that a killed conda left behind."""

    size: int
    unshared: int
    left: tuple[str, ...]


def places(root: str) -> list[Place]:
    """The installation itself, and every environment in its `envs` folder, also where only generations are left."""
    found = [Place("base", root, "base", os.path.realpath(root))] if os.path.isdir(os.path.join(root, "conda-meta")) else []
    envs = os.path.join(root, "envs")
    names = {name for name in listing(envs) if not name.startswith(".")}
    names |= {match.group("name") for match in map(_GENERATION.match, listing(os.path.join(envs, FOLDER))) if match}
    for name in sorted(names):
        place = place_of(os.path.join(envs, name))
        if place is not None:
            found.append(place)
    return found


def place_of(link: str) -> Place | None:
    """The environment at a path; None if there is none."""
    layout = Layout(link)
    found = layout.found()
    if (found is Found.MISSING and not layout.generations()) or found is Found.OTHER:
        return None
    prefix = os.path.realpath(link) if os.path.isdir(link) else ""
    if found is Found.FOREIGN_LINK and prefix and not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return None
    return Place(layout.name, link, found.value, prefix)


def generations(place: Place) -> list[dict[str, t.Any]]:
    """All generations of an environment, and directories that made room for one."""
    layout = Layout(place.path)
    current = layout.current()
    result = []
    for path in layout.generations():
        written = manifest.load(path)
        result.append(
            {
                "path": path,
                "current": path == current,
                "adopted": ".adopted." in os.path.basename(path),
                "finished": written is not None,
                "digest": written.digest if written else "",
            }
        )
    return result


def drift(prefix: str, written: manifest.Manifest) -> list[str]:
    """What conda, pip or a person changed since the manifest was taken; empty if nothing."""
    if manifest.confirm(written) is not None:
        return []
    try:
        pip = tuple(pip_packages(prefix))
        actual = Actual(True, written, tuple(conda_packages(prefix)), pip, shadows=shadows(prefix, pip))
    except CondaEnvError as error:
        actual = Actual(True, written, unreadable=error.cause)
    return [mask_urls(line) for line in changes(actual, written)] or [manifest.by_hand(written)]


def created(prefix: str) -> datetime.datetime | None:
    """When an environment was created (UTC): conda's own note, else the first entry of its history, else that file's time."""
    meta = os.path.join(prefix, "conda-meta")
    with (
        contextlib.suppress(OSError, ValueError, OverflowError),
        open(os.path.join(meta, "created_at"), encoding="utf-8") as file,
    ):
        return _moment(file.read().strip())
    history = os.path.join(meta, "history")
    with contextlib.suppress(OSError, ValueError):
        with open(history, encoding="utf-8", errors="replace") as file:
            found = _FIRST_DATE.search(file.read(4096))
        if found:
            return _moment(found.group(1))
    for path in (history, meta, prefix):
        with contextlib.suppress(OSError):
            return _moment(str(os.stat(path).st_mtime))
    return None


def _moment(text: str) -> datetime.datetime:
    """Seconds since 1970 or ISO 8601 (local time where no zone is named), in UTC to the second."""
    try:
        moment = datetime.datetime.fromtimestamp(float(text), datetime.timezone.utc)
    except ValueError:
        # Python 3.9 and 3.10 do not know Z.
        moment = datetime.datetime.fromisoformat(re.sub(r"Z$", "+00:00", text)).astimezone(datetime.timezone.utc)
    return moment.replace(microsecond=0)


def usage(prefix: str, base: bool = False) -> Usage:
    """Walk through a prefix, without environments inside it; folders that may not be read count as empty."""
    inodes: dict[tuple[int, int], list[int]] = {}
    left = []
    folders = [prefix]
    size = 0
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if base and folder == prefix and entry.name in _NOT_BASE:
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    if os.path.exists(os.path.join(entry.path, "conda-meta", "history")):
                        continue
                    folders.append(entry.path)
                    size += status.st_blocks * 512
                else:
                    seen = inodes.setdefault((status.st_dev, status.st_ino), [0, status.st_nlink, status.st_blocks * 512])
                    seen[0] += 1
                    if entry.name.endswith(_LEFT_BY_CONDA):
                        left.append(os.path.relpath(entry.path, prefix))
    shared = sum(blocks for names, links, blocks in inodes.values() if links > names)
    size += sum(blocks for _names, _links, blocks in inodes.values())
    return Usage(size, size - shared, tuple(sorted(left)))


def signs(place: Place, written: manifest.Manifest | None, used: Usage) -> list[str]:
    """What tells that a run was interrupted here, or that the environment is incomplete."""
    if not place.prefix:
        return {
            Found.MISSING.value: ["there are generations, but no link to one of them"],
            Found.DEAD_LINK.value: ["the link points to a generation that does not exist"],
        }.get(place.kind, ["the link points to nothing that is a conda environment"])
    found = []
    if not os.path.isfile(os.path.join(place.prefix, "conda-meta", "history")):
        found.append("there is no conda-meta/history: conda was interrupted while it created the environment")
    if used.left:
        found.append(f"{len(used.left)} files *{_LEFT_BY_CONDA} of an interrupted change by conda, such as {used.left[0]}")
    if os.path.lexists(os.path.join(place.prefix, ".condatmp")):
        found.append("there is a folder .condatmp of an interrupted run of conda")
    if place.kind == Found.GENERATION.value and written is None:
        found.append("the generation was never finished")
    return found
