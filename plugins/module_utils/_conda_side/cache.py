# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package cache: what it has of some records, and whether that is what they say. Private to this collection."""

from __future__ import annotations

import json
import os
import shutil
import typing as t
from urllib.parse import unquote, urlsplit

from .hashes import file_hashes


class LockMismatchError(Exception):
    """A package is not the one that the lock names."""


def archives(pkgs_dirs: list[str], records: list[t.Any]) -> list[tuple[t.Any, str, str]]:
    """(record, archive, extracted folder) of each record in the package cache."""
    found = []
    for record in records:
        folder = stem(record.fn)
        if folder:
            found.append((record, os.path.join(pkgs_dirs[0], record.fn), os.path.join(pkgs_dirs[0], folder)))
    return found


def stem(file: str) -> str:
    """Name of a package's folder in the package cache; empty for what is in no format of conda's own, such as a wheel."""
    for ending in (".conda", ".tar.bz2"):
        if file.endswith(ending):
            return file[: -len(ending)]
    return ""


def missing(pkgs_dirs: list[str], records: list[t.Any]) -> list[t.Any]:
    """Locked packages that the package cache does not have. What only bears the name of one is removed."""
    absent = []
    items = archives(pkgs_dirs, records)
    hashes = file_hashes([archive for _record, archive, _folder in items])
    for record, archive, folder in items:
        try:
            with open(os.path.join(folder, "info", "repodata_record.json"), encoding="utf-8") as file:
                extracted = str(json.load(file).get("sha256"))
        except (OSError, ValueError):
            extracted = ""
        if hashes[archive] and hashes[archive] != record.sha256:
            os.unlink(archive)
            shutil.rmtree(folder, ignore_errors=True)
        elif extracted != record.sha256:
            shutil.rmtree(folder, ignore_errors=True)
        if hashes[archive] != record.sha256 and (hashes[archive] or extracted != record.sha256):
            absent.append(record)
    return absent


def relabel(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Tell the package cache where a package comes from by now: a channel that moved to another place keeps its packages.

    conda copies this label into an environment's records.
    """
    for record, archive, folder in archives(pkgs_dirs, records):
        path = os.path.join(folder, "info", "repodata_record.json")
        try:
            with open(path, encoding="utf-8") as file:
                label = json.load(file)
        except (OSError, ValueError):
            if os.path.exists(archive):
                with open(os.path.join(pkgs_dirs[0], "urls.txt"), "a", encoding="utf-8") as file:
                    file.write(f"{record.url}\n")
            continue
        if label.get("url") == record.url:
            continue
        # Of an archive that it extracted a second time conda notes no SHA-256.
        content = label.get("sha256") or file_hashes([archive])[archive]
        if content and content == record.get("sha256"):
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                json.dump({**label, "sha256": content, "url": record.url, "channel": record.dump()["channel"]}, file)
            os.replace(f"{path}.new", path)


def check_sources(records: list[t.Any]) -> None:
    """conda compares no checksum of what it copies from a file:// channel."""
    local = {unquote(urlsplit(record.url).path): record for record in records if record.url.startswith("file:/")}
    for path, found in file_hashes(list(local)).items():
        if not found:
            raise FileNotFoundError(2, "404: the channel has no such file", path)
        if found != local[path].sha256:
            raise LockMismatchError(f"{local[path].url}: expected sha256 {local[path].sha256}, found {found}")


def check_archives(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Compare archives that were downloaded with the lock before a file of them is linked."""
    items = archives(pkgs_dirs, records)
    hashes = file_hashes([archive for _record, archive, _folder in items])
    for record, archive, folder in items:
        if hashes[archive] != record.sha256:
            shutil.rmtree(folder, ignore_errors=True)
            os.unlink(archive)
            raise LockMismatchError(f"{record.url}: expected sha256 {record.sha256}, found {hashes[archive]}")


def forget_extracted(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Remove extracted packages from the cache; they are extracted again from archives whose checksum is compared."""
    for _record, _archive, folder in archives(pkgs_dirs, records):
        shutil.rmtree(folder, ignore_errors=True)
