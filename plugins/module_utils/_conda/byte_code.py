# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte code that Python would run in the place of a source that says something else.

A file in `__pycache__` is run if it names the time and the size of its source (PEP 552), whatever is in it; one beside where the
source would be is run without any. Python itself may write such files at any time, so what has come after the prefix was
finished is compared with what its source gives. Only of prefixes of one's own: it is their Python that reads it. Private to this
collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
import typing as t
from collections.abc import Callable, Iterable, Iterator

from .process import clean_environment
from .verify import Expected, Problem, hash_all

CACHE = "__pycache__"
# PEP 3147, PEP 488. Others, such as pytest, put files of their own beside these.
_CACHED = re.compile(r"(?P<module>.+)\.(?P<tag>[a-z]+-\d+)(?:\.opt-(?P<level>[12]))?\.pyc")
SECONDS = 300
_ASKED = """
import importlib.util, json, marshal, os, sys

def differs(source, cached, level):
    with open(cached, "rb") as file:
        data = file.read()
    with open(source, "rb") as file:
        text = file.read()
    flags, status = int.from_bytes(data[4:8], "little"), os.stat(source)
    made_of = int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
    stated = int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")
    stale = made_of != stated if flags == 0 else flags == 3 and importlib.util.source_hash(text) != data[8:16]
    if data[:4] != importlib.util.MAGIC_NUMBER or stale:
        return False
    try:
        return marshal.loads(data[16:]) != compile(text, source, "exec", dont_inherit=True, optimize=level)
    except Exception:
        return True

print(json.dumps([differs(*asked) for asked in json.load(sys.stdin)]))
"""


class Cached(t.NamedTuple):
    """Byte code, by its path in the prefix, and the source beside its folder."""

    path: str
    source: str
    level: int


def is_cached(path: str) -> bool:
    """Whether it is where Python keeps byte code (PEP 3147)."""
    return os.path.basename(os.path.dirname(path)) == CACHE and path.endswith(".pyc")


def problems(
    prefix: str, recorded: Iterable[Expected], since_ns: int, due: Callable[[str], bool] = lambda _path: True
) -> Iterator[Problem]:
    """Of what came or changed later. A package's own byte code is fine as it was brought, too.

    In a copy of a whole server all has come later, but for what can be forged, when it was written; of that, what is due today.
    """
    brought = {item.path: item.digest for item in recorded if item.path.endswith(".pyc")}
    cached: list[Cached] = []
    for path in _later(prefix, since_ns, due):
        folder, name = os.path.split(path)
        if not is_cached(path):
            # In a record it is a file like others.
            if path not in brought:
                yield Problem(path, "", "", "unknown", "no byte code without a source", "byte code without a source")
            continue
        found = _CACHED.fullmatch(name)
        source = os.path.join(os.path.dirname(folder), f"{found['module']}.py") if found else ""
        # Without its source it is not run.
        if found and os.path.isfile(os.path.join(prefix, source)):
            cached.append(Cached(path, source, int(found["level"] or 0)))
    if cached and os.lstat(prefix).st_uid == os.geteuid():
        hashes, _size = hash_all(prefix, [(item.path, "sha256") for item in cached], flags=os.O_NOFOLLOW)
        cached = [item for item in cached if hashes[item.path, "sha256"] != brought.get(item.path)]
        for item, differs in zip(cached, _asked(prefix, cached)):
            if differs:
                source = os.path.basename(item.source)
                yield Problem(item.path, "", "", "altered", f"byte code of {source}", f"other byte code than of {source}")


def _later(prefix: str, since_ns: int, due: Callable[[str], bool]) -> Iterator[str]:
    """By a time that nobody can set back (inode(7))."""
    for top, _folders, names in os.walk(os.path.join(prefix, "lib")):
        for name in names:
            if name.endswith(".pyc"):
                place = os.path.join(top, name)
                path = os.path.relpath(place, prefix)
                with contextlib.suppress(OSError):
                    status = os.lstat(place)
                    if status.st_mtime_ns > since_ns or (status.st_ctime_ns > since_ns and (due(path) or not is_cached(path))):
                        yield path


def _asked(prefix: str, cached: list[Cached]) -> list[bool]:
    """Which of them differ. All, if Python does not get to the end: there is something that it cannot read.

    A Python that does not even start runs nothing; it is a file like others.
    """
    places = [(os.path.join(prefix, item.source), os.path.join(prefix, item.path), item.level) for item in cached]
    # Without the folder of packages, whose hooks Python would run.
    command = [os.path.join(prefix, "bin", "python"), "-I", "-S", "-B", "-W", "ignore", "-c", _ASKED]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            done = subprocess.run(
                command,
                input=json.dumps(places).encode(),
                env=clean_environment(os.environ, scratch),
                cwd=scratch,
                capture_output=True,
                timeout=SECONDS,
                check=True,
            )
            found: list[bool] = json.loads(done.stdout)
        except OSError:
            return [False] * len(cached)
        except (ValueError, subprocess.SubprocessError):
            return [True] * len(cached)
    return found
