# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte code that stays beside its source in the package cache, and what it was when it was compiled.

Files of environments are hard links into the cache: whoever writes into one in place writes into all. Of a package's own files
conda compares the content before it links them (`extra_safety_checks`); of byte code no record tells, so it is noted here. The
note goes with the package's folder. Private to this collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct

from .hashes import file_hashes

NOTES = os.path.join("info", "byte_code.json")
"""In the folder of an extracted package: path in it -> SHA-256."""


def cached_sources(folders: list[str]) -> dict[str, str]:
    """Path below site-packages -> path in the package cache, of the Python files of some packages."""
    found = {}
    for folder in folders:
        top = os.path.join(folder, "site-packages")
        for place, _folders, names in os.walk(top):
            inner = place[len(top) + 1 :]
            found.update({os.path.join(inner, name): os.path.join(place, name) for name in names if name.endswith(".py")})
    return found


def fits(byte_code: str, source: str) -> bool:
    """True if byte code is that of a source (PEP 552: magic, flags, time, size)."""
    try:
        with open(byte_code, "rb") as file:
            head = file.read(16)
        status = os.stat(source)
    except OSError:
        return False
    known = struct.pack("<LLL", 0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return head[4:] == known


def unaltered(folders: list[str]) -> set[str]:
    """The byte code in the package cache that is as it was when it was noted."""
    noted = {os.path.join(folder, path): digest for folder in folders for path, digest in notes(folder).items()}
    found = file_hashes([path for path in noted if os.path.isfile(path) and not os.path.islink(path)])
    return {path for path, digest in found.items() if digest == noted[path]}


def note(folders: list[str], paths: list[str]) -> None:
    """Note byte code that was just compiled. What cannot be noted is compiled the next time as well."""
    found = file_hashes(paths)
    for folder in folders:
        new = {path[len(folder) + 1 :]: digest for path, digest in found.items() if digest and path.startswith(f"{folder}/")}
        if new:
            place = os.path.join(folder, NOTES)
            with contextlib.suppress(OSError):
                with open(f"{place}.new", "w", encoding="utf-8") as file:
                    json.dump({**notes(folder), **new}, file)
                os.replace(f"{place}.new", place)


def notes(folder: str) -> dict[str, str]:
    """What is noted of the byte code of an extracted package; nothing if that cannot be read."""
    try:
        with open(os.path.join(folder, NOTES), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return {str(path): str(digest) for path, digest in found.items()} if isinstance(found, dict) else {}
