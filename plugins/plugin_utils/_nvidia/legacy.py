# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's instructions of former years have left on a host, and the way out. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping

REPOSITORY = re.compile(r"/compute/(?:cuda|machine-learning)/repos/")
MACHINE = re.compile(r"/(?:\$\(ARCH\)|amd64|arm64)/?$")


class Leftover(t.NamedTuple):
    path: str
    told: str
    removable: bool
    """Whether it holds nothing else."""


def same(uri: str, url: str) -> bool:
    """Whether both are one repository; the machine may be a part of it."""
    return MACHINE.sub("", uri).rstrip("/") == MACHINE.sub("", url).rstrip("/")


def leftovers(info: Mapping[str, t.Any], *urls: str) -> Iterator[Leftover]:
    """Sources of NVIDIA's repositories, `urls` among them, that are not this role's, and keyrings with its former key."""
    files: dict[str, list[bool]] = {}
    for source in (*info["apt_sources"], *info["yum_repositories"]):
        theirs = [bool(REPOSITORY.search(uri)) or any(same(uri, url) for url in urls) for uri in source["uris"]]
        files.setdefault(source["file"], []).extend(theirs)
    for path, theirs in files.items():
        if any(theirs):
            removable = all(theirs) and path != "/etc/apt/sources.list"
            way_out = _remove(path) if removable else "take that repository out of it; it names others, too"
            yield Leftover(path, f"{path} names a repository of NVIDIA beside this role: {way_out}", removable)
    for key in info["former_keys"]:
        path = key["path"]
        way_out = (
            _remove(path) if key["alone"] else f"gpg --no-default-keyring --keyring {path} --batch --yes --delete-keys 7FA2AF80"
        )
        yield Leftover(path, f"{path} trusts the key 7fa2af80, which NVIDIA gave up in 2022: {way_out}", key["alone"])


def _remove(path: str) -> str:
    return f"rm {path}, or set nvidia_clean_legacy: true"
