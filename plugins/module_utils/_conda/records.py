# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what is installed in a prefix from the records that conda and pip leave. Private to this collection."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing as t
from collections.abc import Iterator

from .._host.files import read_bounded, read_file
from .._text.secrets import mask_urls
from .errors import CondaEnvError

# Files of a *.dist-info (PyPA "Recording installed projects") that say who installed what from where.
DIST_FILES = ("METADATA", "RECORD", "INSTALLER", "direct_url.json")
# Longer than any record: those of the largest packages have some megabytes.
RECORD_LIMIT = 64 << 20
_LINKS = (".egg-link", ".pth")
_METADATA_FIELD = re.compile(r"^(Name|Version):\s*(.+?)\s*$")
# user:password@ after the scheme, and conda's /t/<token>.
_CREDENTIALS = re.compile(r"(://)[^/@]*@|/t/[^/]+(?=/)")
_DASHES = re.compile(r"[-_.]+")


@dataclasses.dataclass(frozen=True, order=True)
class Package:
    """An installed or chosen package. `channel` is a channel's name or URL without platform, `pypi` for pip."""

    name: str
    version: str
    build: str = ""
    channel: str = ""

    def line(self) -> str:
        """`name version build channel`, as it stands in plans and diffs."""
        return mask_urls(" ".join(filter(None, (self.name, self.version, self.build, self.channel))))


def channel_of(record: t.Mapping[str, t.Any]) -> str:
    """Channel of a record (conda-meta file, or repodata record), without platform, as a URL without credentials.

    The record's own URL decides: the `channel` field is a name in some versions of conda, and a URL with or without
    platform in others.
    """
    url = str(record.get("url") or "")
    channel = str(record.get("channel") or "").rstrip("/")
    subdir = str(record.get("subdir") or "")
    if "/" in url:
        channel = url.rsplit("/", 2)[0]
    elif subdir and channel.endswith("/" + subdir):
        channel = channel[: -len(subdir) - 1]
    return without_credentials(channel)


def without_credentials(url: str) -> str:
    """A URL without user, password and token."""
    return _CREDENTIALS.sub(lambda found: found.group(1) or "", url)


def package_of(record: t.Mapping[str, t.Any]) -> Package:
    """Package of a conda-meta or repodata record."""
    try:
        return Package(str(record["name"]), str(record["version"]), str(record["build"]), channel_of(record))
    except KeyError as missing:
        raise ValueError(f"no {missing} in the record") from None
    except TypeError:
        raise ValueError("the record is no mapping") from None


def conda_packages(prefix: str) -> list[Package]:
    """Packages of the conda records in a prefix. Raises CondaEnvError for a record that cannot be read."""
    packages = []
    for path in record_files(prefix):
        try:
            packages.append(package_of(json.loads(read_bounded(path, RECORD_LIMIT))))
        except (OSError, ValueError) as error:
            raise CondaEnvError(f"the record {path} cannot be read: {error}") from None
    return sorted(packages)


def record_files(prefix: str) -> list[str]:
    """Paths of the conda records of a prefix, in order of name."""
    folder = os.path.join(prefix, "conda-meta")
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".json")]
    except FileNotFoundError:
        return []


def site_packages(prefix: str) -> list[str]:
    """Folders with Python packages, relative to the prefix."""
    library = os.path.join(prefix, "lib")
    try:
        names = sorted(name for name in os.listdir(library) if name.startswith("python"))
    except FileNotFoundError:
        return []
    # python3.1 is a link that conda-forge's python brings for old tools: it is not a second place.
    places = (os.path.join("lib", name, "site-packages") for name in names if not os.path.islink(os.path.join(library, name)))
    return [place for place in places if os.path.isdir(os.path.join(prefix, place))]


def distribution_files(prefix: str, places: t.Iterable[str]) -> Iterator[str]:
    """Files that pip writes when it installs or removes something, in a stable order. Some may not exist."""
    for place in places:
        folder = os.path.join(prefix, place)
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".dist-info"):
                yield from [f"{path}/{file}" for file in DIST_FILES]
            elif name.endswith(".egg-info"):
                yield os.path.join(path, "PKG-INFO") if os.path.isdir(path) else path
            elif name.endswith(_LINKS):
                yield path


def pip_packages(prefix: str, places: t.Iterable[str] | None = None) -> list[Package]:
    """Python distributions in a prefix that conda did not install."""
    return [package for package, installer in distributions(prefix, places) if installer != "conda"]


def distributions(prefix: str, places: t.Iterable[str] | None = None) -> list[tuple[Package, str]]:
    """(package, installer) of each *.dist-info in a prefix."""
    found = []
    for place in site_packages(prefix) if places is None else places:
        folder = os.path.join(prefix, place)
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".dist-info"))
        except FileNotFoundError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            fields = _metadata(os.path.join(path, "METADATA"))
            title, _dash, version = name[: -len(".dist-info")].rpartition("-")
            package = Package(normal(fields.get("Name", title)), fields.get("Version", version), "pypi_0", "pypi")
            found.append((package, _text(os.path.join(path, "INSTALLER")).strip()))
    return sorted(found)


def normal(name: str) -> str:
    """Normal form of a distribution's name (PyPA "Names and normalization")."""
    return _DASHES.sub("-", name).lower()


def _metadata(path: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in _text(path).splitlines():
        found = _METADATA_FIELD.match(line)
        if found:
            fields.setdefault(found.group(1), found.group(2))
        if not line or len(fields) == 2:
            break
    return fields


def _text(path: str) -> str:
    """What is no UTF-8 is replaced: names and versions are shown, compared and written."""
    try:
        found = read_file(path) or ""
    except OSError:
        return ""
    return found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_json(path: str) -> t.Any:
    """What a file of JSON says; None if there is no such file, or if it cannot be understood."""
    try:
        return json.loads((read_file(path) or "null").encode("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return None
