# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conda installation that a program belongs to. Private to this collection."""

from __future__ import annotations

import os
import shutil
import typing as t
from collections.abc import Iterator

from .errors import CondaEnvError


def root_of(executable: str) -> str:
    """Root of the installation that has `conda` or `mamba`. Raises CondaEnvError for a program that stands alone."""
    found = executable if os.path.isabs(executable) else shutil.which(executable)
    if not found or not os.access(found, os.X_OK) or os.path.isdir(found):
        raise CondaEnvError(f"executable: found no program {executable}", "Name the 'conda' or 'mamba' of an installation.")
    for root in _candidates(found):
        if _is_installation(root):
            return root
    raise CondaEnvError(
        f"executable: {executable} does not belong to a conda installation",
        "It takes one with 'conda-meta', 'bin/python' and the package 'conda' beside it, as Miniconda and Miniforge bring; "
        "micromamba alone brings none of them.",
    )


def _candidates(program: str) -> Iterator[str]:
    """Folders that contain bin/ or condabin/ with the program, and that of the interpreter of a script."""
    seen = dict.fromkeys((os.path.abspath(program), os.path.realpath(program), _interpreter(program)))
    for path in filter(None, seen):
        folder, name = os.path.split(os.path.dirname(path))
        if name in ("bin", "condabin"):
            yield folder


def _interpreter(program: str) -> str | None:
    with open(program, "rb") as file:
        first = file.readline(512)
    if not first.startswith(b"#!/"):
        return None
    return os.fsdecode(first[2:].split()[0])


def _is_installation(root: str) -> bool:
    try:
        names: t.Sequence[str] = os.listdir(os.path.join(root, "conda-meta"))
    except OSError:
        return False
    conda = any(name.startswith("conda-") and name[len("conda-") :][:1].isdigit() and name.endswith(".json") for name in names)
    return conda and os.access(os.path.join(root, "bin", "python"), os.X_OK)
