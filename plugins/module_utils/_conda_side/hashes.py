# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SHA-256 of many files. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import hashlib
import json
import os


def file_hashes(paths: list[str]) -> dict[str, str]:
    """SHA-256 of some files; nothing for one that is not there."""
    from concurrent.futures import ThreadPoolExecutor

    sizes = {path: os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths}
    # Threads gain nothing where opening a file takes longer than reading it.
    large = [path for path in paths if sizes[path] > 1 << 20]
    batches = [*([path] for path in large), [path for path in paths if sizes[path] <= 1 << 20]]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return {path: digest for found in pool.map(hash_batch, batches) for path, digest in found}


def hash_batch(paths: list[str]) -> list[tuple[str, str]]:
    """Paths with their SHA-256, nothing for what is not there."""
    buffer = memoryview(bytearray(1 << 20))
    found = []
    for path in paths:
        digest = hashlib.sha256()
        try:
            with open(path, "rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    digest.update(buffer[:count])
        except FileNotFoundError:
            found.append((path, ""))
            continue
        found.append((path, digest.hexdigest()))
    return found


def hash_packages(folders: list[str]) -> dict[str, str]:
    """SHA-256 of every file that some extracted packages bring; the path as conda writes it."""
    paths = []
    for folder in folders:
        try:
            with open(os.path.join(folder, "info", "paths.json"), encoding="utf-8") as file:
                items = json.load(file)["paths"]
        except (OSError, ValueError, KeyError):
            continue
        paths += [os.path.join(folder, item["_path"]) for item in items if item.get("path_type") == "hardlink"]
    return file_hashes(paths)
