# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels that the packages of an environment bring, such as IRkernel's. Private to this collection.

jupyter_client, "Kernel specs". The environment may belong to a person: what is read is bounded, and lies in the environment.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from .._host.files import read_bounded

FOLDER = "share/jupyter/kernels"
# Python's own comes with ipykernel.
PYTHON = "python3"
# More would be a mistake, and each is a tile in everybody's launcher.
MOST = 20
SIZE_LIMIT = 64 << 10
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Kernelspec(t.NamedTuple):
    """What a kernel.json says. `rest`: what Jupyter may want to know besides, as it stands there."""

    name: str
    argv: tuple[str, ...]
    display_name: str
    language: str
    rest: dict[str, t.Any]


def read_specs(prefix: str) -> tuple[list[Kernelspec], list[str]]:
    """The kernels that a prefix has besides ipykernel's, and what is wrong with others."""
    folder = os.path.join(os.path.realpath(prefix), FOLDER)
    try:
        names = sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name) and name != PYTHON)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    found, problems = [], []
    if len(names) > MOST:
        problems.append(f"found {len(names)} kernels in {folder}; expected at most {MOST}; the others are not offered")
    for name in names[:MOST]:
        path = os.path.join(folder, name, "kernel.json")
        try:
            if os.path.realpath(path) != path:
                raise ValueError("reached through a link")
            found.append(parse(name, read_bounded(path, SIZE_LIMIT)))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            problems.append(f"found {path} ({why}); expected a kernel specification; it is not offered; correct its package")
    return found, problems


def parse(name: str, content: bytes) -> Kernelspec:
    """Raises ValueError for what is no kernel specification."""
    try:
        spec = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(spec, dict):
        raise ValueError("no mapping")
    argv, rest = spec.get("argv"), {key: spec[key] for key in ("env", "interrupt_mode", "metadata") if spec.get(key)}
    if not (isinstance(argv, list) and argv and all(isinstance(word, str) and "\0" not in word for word in argv)):
        raise ValueError("'argv' is no list of words")
    if not all(isinstance(rest.get(key, {}), dict) for key in ("env", "metadata")):
        raise ValueError("'env' or 'metadata' is no mapping")
    language = str(spec.get("language", ""))
    return Kernelspec(name, tuple(argv), str(spec.get("display_name") or name), language, rest)
