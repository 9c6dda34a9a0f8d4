# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where conda itself is changed while it runs here: two functions, each replaced by one that does the same in less time.

Both leave conda alone if it has no such function. Private to this collection.
"""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import typing as t

from .cache import archives
from .compiled import cached_sources, fits, note, unaltered
from .plain import details


def hash_ahead(folders: list[str], scratch: str) -> None:
    """Let another process hash the files of extracted packages while conda prepares to link them.

    conda compares each with its record (`extra_safety_checks`), one after the other, and computes nothing else meanwhile.
    """
    from conda.core import path_actions

    original = getattr(path_actions, "compute_sum", None)
    if original is None:
        return
    asked = os.path.join(scratch, "folders.json")
    with open(asked, "w", encoding="utf-8") as file:
        json.dump(folders, file)
    command = [sys.executable, "-I", os.path.abspath(sys.argv[0]), "--hash", asked]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    known: dict[str, str] = {}

    def compute_sum(path: t.Any, algorithm: str) -> t.Any:
        if process.returncode is None:
            with contextlib.suppress(ValueError):
                known.update(json.loads(process.communicate()[0]))
        return (known.get(str(path)) if algorithm == "sha256" else None) or original(path, algorithm)

    path_actions.compute_sum = compute_sum


def keep_byte_code(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Let conda compile a file once, not once per environment: byte code stays beside its source in the package cache.

    Compiling is most of the time of an installation. Byte code names the time and size of its source, so what is kept cannot be
    taken for that of another file; what somebody has written into since is compiled again; and a package that is removed from the
    cache takes its byte code along.
    """
    from conda.core import path_actions

    original = getattr(path_actions, "compile_multiple_pyc", None)
    if original is None:
        return
    folders = [folder for record, _archive, folder in archives(pkgs_dirs, records) if details(record.get("noarch")) == "python"]

    def compile_missing(python: str, sources: t.Any, targets: t.Any, *rest: t.Any, **more: t.Any) -> t.Any:
        cached = cached_sources(folders)
        pairs = []
        for target in targets:  # in no order that fits the one of the sources
            folder, name = os.path.split(target)
            source = os.path.join(os.path.dirname(folder), f"{name.split('.', 1)[0]}.py")
            place = cached.get(source.partition("/site-packages/")[2])
            pairs.append((source, target, os.path.join(os.path.dirname(place), "__pycache__", name) if place else ""))
        good = unaltered(folders)
        for source, target, twin in pairs:
            if twin in good and fits(twin, source):
                hard_link(twin, target)
        missing = [pair for pair in pairs if not os.path.exists(pair[1])]
        made = original(python, [pair[0] for pair in missing], [pair[1] for pair in missing], *rest, **more)
        kept = [(target, twin) for source, target, twin in missing if twin and fits(target, source)]
        note(folders, [twin for target, twin in kept if hard_link(target, twin)])
        return made

    path_actions.compile_multiple_pyc = compile_missing


def hard_link(source: str, target: str) -> bool:
    """Link a file, unless the file system cannot: then it is compiled the next time as well."""
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.lexists(target):
            os.unlink(target)
        os.link(source, target)
    except OSError:
        return False
    return True
