# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the files of a prefix with what conda and pip recorded when they installed them. Private to this collection.

conda records `sha256_in_prefix` per path (conda-meta/*.json, `paths_data`); pip a hash per line of RECORD (PyPA "Recording
installed projects"). Files are read in pieces into one buffer per thread, so memory does not grow with their size.
"""

from __future__ import annotations

import base64
import binascii
import csv
import dataclasses
import hashlib
import os
import re
import stat
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from .._host.files import read_bounded
from .contents import pip_details, records
from .records import RECORD_LIMIT, site_packages

_PIECE = 1024 * 1024
_PLACE = re.compile(r"^lib/python[^/]+/site-packages/")
# Made at installation, so no package can know a hash. Byte code is made again by anyone who may, and never missed.
_BYTE_CODE = "pyc_file"
_WITHOUT_HASH = ("softlink", "unix_python_entry_point", "directory")
_KINDS = {"softlink": "link", "directory": ""}
_ALGORITHMS = ("sha256", "sha384", "sha512", "sha224")


@dataclasses.dataclass(frozen=True)
class Expected:
    """A file as it was installed. `path` is relative to the prefix; `digest` (hex) is empty where none was recorded.

    `kind` is `file` or `link`, empty if anything may be there. `exact`: the file has this size, and did not get another one when
    the prefix was written into it.
    """

    path: str
    package: str
    installer: str
    digest: str = ""
    algorithm: str = "sha256"
    size: int = 0
    kind: str = ""
    exact: bool = False


@dataclasses.dataclass(frozen=True)
class Problem:
    """A file that is not as it was installed: missing, altered, or unreadable for the user who looked."""

    path: str
    package: str
    installer: str
    problem: str
    expected: str
    found: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Result of a verification. `hashed` counts files whose content was compared, `seen` those that only had to be there."""

    hashed: int
    seen: int
    size: int
    problems: tuple[Problem, ...]


def conda_files(record: Mapping[str, t.Any], places: Iterable[str] = ()) -> Iterator[Expected]:
    """Files of a conda record.

    A noarch Python package is recorded as `site-packages/x` by conda and as `lib/python3.11/site-packages/x` by other programs.
    `places` are the folders with Python packages of the prefix, asked where the record's own list of files says nothing.
    """
    package = str(record.get("name", ""))
    files = [str(path) for path in record.get("files") or ()]
    data = record.get("paths_data")
    paths = data.get("paths") if isinstance(data, Mapping) else None
    if not paths:
        yield from (Expected(path, package, "conda") for path in files if not path.endswith(".pyc"))
        return
    found = (match.group() for match in map(_PLACE.match, files) if match)
    place = next(found, "") or next((f"{place}/" for place in places), "site-packages/")
    for item in paths:
        path, kind = str(item["_path"]), str(item.get("path_type") or "hardlink")
        if "\0" in path or not os.fsencode(path):
            raise ValueError(f"found {path!r}; expected a path")
        if kind == _BYTE_CODE:
            continue
        if str(record.get("noarch")) == "python":
            path = _translated(path, place)
        digest = item.get("sha256_in_prefix")
        if not digest and not item.get("prefix_placeholder"):
            digest = item.get("sha256")
        if kind in _WITHOUT_HASH:
            digest = ""
        yield Expected(
            path,
            package,
            "conda",
            str(digest or "").lower(),
            "sha256",
            int(item.get("size_in_bytes") or 0),
            _KINDS.get(kind, "file"),
            # In a text the prefix may be shorter than what stood for it; in a program it is filled up.
            bool(digest)
            and "size_in_bytes" in item
            and (not item.get("prefix_placeholder") or item.get("file_mode") == "binary"),
        )


def _translated(path: str, place: str) -> str:
    for short, real in (("site-packages/", place), ("python-scripts/", "bin/")):
        if path.startswith(short):
            return real + path[len(short) :]
    return path


def pip_files(text: str, package: str, place: str) -> Iterator[Expected]:
    """Files of a RECORD; its paths are relative to the folder `place`. Raises ValueError for what is no RECORD."""
    for row in csv.reader(text.splitlines()):
        if not row or row[0].endswith((".pyc", ".dist-info/RECORD")):
            continue
        path, hashed, size = (*row, "", "")[:3]
        if os.path.isabs(path):
            continue
        digest, algorithm = "", "sha256"
        if hashed:
            algorithm, _equals, encoded = hashed.partition("=")
            if algorithm not in _ALGORITHMS:
                raise ValueError(f"found the hash '{hashed}' for {path}; expected one of {', '.join(_ALGORITHMS)}")
            try:
                digest = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
            except binascii.Error:
                raise ValueError(f"found the hash '{hashed}' for {path}; expected URL-safe base64") from None
        length, exact = (int(size), bool(digest)) if size.isdigit() else (0, False)
        yield Expected(os.path.normpath(os.path.join(place, path)), package, "pip", digest, algorithm, length, "file", exact)


def verify(prefix: str, files: Iterable[Expected], workers: int | None = None) -> Verdict:
    """Compare files with what was recorded, on `workers` threads (default: the cores this process may use).

    A path that several conda packages installed is right if it is what one of them brought: conda lets the last one win.
    What lies outside the prefix is not looked at.
    """
    wanted = groups(files)
    to_hash: dict[tuple[str, str], int] = {}
    to_see: list[list[Expected]] = []
    for group in wanted:
        if not all(item.digest for item in group):
            to_see.append(group)
            continue
        for item in group:
            to_hash[item.path, item.algorithm] = max(item.size, to_hash.get((item.path, item.algorithm), 0))
    # The largest first, so that no thread starts with a long one when the others are done.
    order = sorted(to_hash, key=lambda job: -to_hash[job])
    found, size = hash_all(prefix, order, workers)
    problems = [_missing(group[0]) for group in to_see if not os.path.lexists(os.path.join(prefix, group[0].path))]
    hashed = 0
    for group in wanted:
        if not all(item.digest for item in group):
            continue
        hashed += 1
        if any(found[item.path, item.algorithm] == item.digest for item in group):
            continue
        last = group[-1]
        seen = found[last.path, last.algorithm]
        problem = seen if seen in ("missing", "unreadable") else "altered"
        problems.append(
            Problem(
                last.path,
                last.package,
                last.installer,
                problem,
                f"{last.algorithm}:{last.digest}",
                f"{last.algorithm}:{seen}" if problem == "altered" and seen else "",
            )
        )
    return Verdict(hashed, len(to_see), size, tuple(sorted(problems, key=lambda item: (item.path, item.installer, item.package))))


def groups(files: Iterable[Expected]) -> list[list[Expected]]:
    """What is said of each path in the prefix: by all packages of conda together, by each one of pip for itself."""
    wanted: dict[tuple[str, str, str], list[Expected]] = {}
    for item in files:
        if not os.path.isabs(item.path) and not os.path.normpath(item.path).startswith(".."):
            owner = "" if item.installer == "conda" else item.package
            wanted.setdefault((item.path, item.installer, owner), []).append(item)
    return list(wanted.values())


def _missing(item: Expected) -> Problem:
    return Problem(item.path, item.package, item.installer, "missing", "", "")


def hash_all(
    prefix: str, jobs: Iterable[tuple[str, str]], workers: int | None = None, flags: int = 0
) -> tuple[dict[tuple[str, str], str], int]:
    """What each (path, algorithm) has, as of _hash(), and the bytes read. `flags`: more of them for open(2)."""
    found: dict[tuple[str, str], str] = {}
    left = iter(jobs)
    workers = workers or len(os.sched_getaffinity(0))

    def work() -> int:
        view = memoryview(bytearray(_PIECE))
        total = 0
        for job in left:
            found[job], size = _hash(os.path.join(prefix, job[0]), job[1], view, flags)
            total += size
        return total

    with ThreadPoolExecutor(workers) as pool:
        return found, sum(task.result() for task in [pool.submit(work) for _worker in range(workers)])


def _hash(path: str, algorithm: str, view: memoryview, flags: int) -> tuple[str, int]:
    """(digest in hex, bytes read); in place of a digest `missing`, `unreadable`, or nothing for what is no file."""
    try:
        # Not to wait for the other end where a pipe has taken the file's place.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except (FileNotFoundError, NotADirectoryError):
        return "missing", 0
    except OSError:
        return "unreadable", 0
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "", 0
        digest = hashlib.new(algorithm, usedforsecurity=False)
        total = 0
        while True:
            count = os.readv(handle, [view])
            digest.update(view[:count])
            total += count
            if count < len(view):
                return digest.hexdigest(), total
    except OSError:
        return "unreadable", 0
    finally:
        os.close(handle)


def expected_files(prefix: str) -> tuple[list[Expected], list[str]]:
    """Every file that a record of conda or pip names, and the records that cannot be used."""
    where = site_packages(prefix)
    files: list[Expected] = []
    unusable: list[str] = []
    for path, record in records(prefix):
        try:
            if record is None:
                raise ValueError("no record of a package")
            files += conda_files(record, where)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            unusable.append(f"{os.path.relpath(path, prefix)}: {error}")
    for details, place, info in pip_details(prefix, where):
        path = os.path.join(place, info, "RECORD")
        try:
            content = read_bounded(os.path.join(prefix, path), RECORD_LIMIT)
            files += pip_files(content.decode("utf-8"), details["name"], place)
        except OSError as error:
            unusable.append(f"{path}: {error.strerror}")
        except ValueError as error:
            unusable.append(f"{path}: {error}")
    return files, unusable
