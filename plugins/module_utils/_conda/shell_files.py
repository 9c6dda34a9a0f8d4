# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files through which people's shells find conda. Private to this collection."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from .._host import rights
from .._host.files import read_file

PROGRAM = "/usr/local/bin/conda"
PROFILE = "/etc/profile.d/conda.sh"
# At the top of a package's file: bash.bashrc(5) of Debian ends at once where nobody types, as for `ssh HOST COMMAND`.
READS_PROFILE = f"[ ! -r {PROFILE} ] || . {PROFILE}"


def texts(files: Mapping[str, str], readers: Iterable[str]) -> dict[str, str]:
    """What each file is to contain: `files` by path, and package's files that are to read the profile first.

    A shell that is not installed has no folder and no file to be read from.
    """
    wanted = {path: text for path, text in files.items() if os.path.isdir(os.path.dirname(path))}
    for path in readers:
        text = read_file(path)
        if text is not None:
            wanted[path] = f"{READS_PROFILE}\n{without_line(text)}"
    return wanted


def without_line(text: str) -> str:
    """As the package has brought it."""
    return "".join(line for line in text.splitlines(keepends=True) if line.rstrip("\n") != READS_PROFILE)


def mode(text: str) -> int:
    return 0o755 if text.startswith("#!") else 0o644


def faults(files: Mapping[str, str], readers: Iterable[str]) -> list[rights.Fault]:
    """What is a package's keeps the mode that it has, as long as nobody else can write it."""
    return rights.faults({**dict.fromkeys(readers, rights.Rights()), **{path: mode(text) for path, text in files.items()}})
