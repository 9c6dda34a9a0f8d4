# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacked packages of conda that are not as they were unpacked. Private to this collection.

`info/paths.json` of a package has size and digest of each of its files. What an environment has by a link, its role compares.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import typing as t
from collections.abc import Iterator

from .host import Host

LIMIT = 64 << 20
RECORD = "info/repodata_record.json"
"""Written when a package has been unpacked."""


def altered(host: Host, cache: str) -> Iterator[tuple[str, list[str]]]:
    """The folder of each package of which files differ, and these."""
    for name in host.names(cache):
        folder = f"{cache}/{name}"
        unpacked = host.status(f"{folder}/{RECORD}")
        if host.late:
            return
        found = (
            [path for path, item in _paths(host, folder) if _differs(host, f"{folder}/{path}", item, unpacked)]
            if unpacked
            else []
        )
        if found:
            yield folder, found


def _paths(host: Host, folder: str) -> Iterator[tuple[str, dict[str, t.Any]]]:
    """The files that a package says it has, with what it says of them. It may say anything."""
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        for item in json.loads(host.text(f"{folder}/info/paths.json", LIMIT) or "")["paths"]:
            path = os.path.normpath(str(item["_path"]))
            if not path.startswith(("/", "..")) and item.get("path_type", "hardlink") == "hardlink":
                yield path, item


def _differs(host: Host, place: str, item: dict[str, t.Any], unpacked: os.stat_result) -> bool:
    """By size, or by content where somebody has written since."""
    status = host.status(place)
    # What is gone, conda unpacks again.
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return False
    if isinstance(item.get("size_in_bytes"), int) and item["size_in_bytes"] != status.st_size:
        return True
    if status.st_mtime_ns <= unpacked.st_mtime_ns or status.st_size > LIMIT:
        return False
    text = (host.text(place, LIMIT) or "").encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest() != item.get("sha256")
