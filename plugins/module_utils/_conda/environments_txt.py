# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda's list of environments that lie elsewhere than in its own folder: ~/.conda/environments.txt.

conda writes it and drops what no longer exists; `conda env list` shows it. Private to this collection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Callable

from .._host.files import put_file

NAME = "environments.txt"


def homes() -> list[str]:
    """Folders of the list: that of whoever runs this, and root's."""
    return list(dict.fromkeys(os.path.join(home, ".conda") for home in (os.path.expanduser("~"), pwd.getpwuid(0).pw_dir)))


def add(path: str) -> None:
    """Put an environment on the list of whoever runs this."""
    folder = homes()[0]
    lines = _read(folder)
    # Somebody without a home directory has no list.
    with contextlib.suppress(OSError):
        if path not in lines:
            if not os.path.isdir(folder):
                os.mkdir(folder)
            put_file(folder, NAME, "".join(f"{line}\n" for line in [*lines, path]))


def forget(gone: Callable[[str], bool]) -> None:
    """Take environments off every list that may be written."""
    for folder in homes():
        lines = _read(folder)
        left = [line for line in lines if not gone(line)]
        with contextlib.suppress(OSError):
            if left != lines:
                put_file(folder, NAME, "".join(f"{line}\n" for line in left))


def _read(folder: str) -> list[str]:
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8", errors="surrogateescape") as file:
            return [line for line in file.read().splitlines() if line.strip()]
    except OSError:
        return []
