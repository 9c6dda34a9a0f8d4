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

from .._host.files import put_file, read_file
from .mutex import acquire

NAME = "environments.txt"
_SECONDS = 10


def homes() -> list[str]:
    """Folders of the list: that of whoever runs this, and root's."""
    return list(dict.fromkeys(os.path.join(home, ".conda") for home in (os.path.expanduser("~"), pwd.getpwuid(0).pw_dir)))


def add(path: str) -> None:
    """Put an environment on the list of whoever runs this."""
    folder = homes()[0]
    # Somebody without a home directory has no list.
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        _change(folder, lambda lines: lines if path in lines else [*lines, path])


def forget(gone: Callable[[str], bool]) -> None:
    """Take environments off every list that may be written."""
    for folder in homes():
        with contextlib.suppress(OSError):
            _change(folder, lambda lines: [line for line in lines if not gone(line)])


def _change(folder: str, change: Callable[[list[str]], list[str]]) -> None:
    """Read the list and write it, alone: several installations have one list, and two writers would lose each other's lines.

    conda itself does not ask: of two lines that are written in the same moment, one by conda, one may still be lost. The folder
    carries the mutex, since the file is replaced.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Not every file system can; and who never lets it go stops nobody.
        with contextlib.suppress(OSError):
            acquire(handle, _SECONDS)
        lines = [line for line in (read_file(os.path.join(folder, NAME)) or "").splitlines() if line.strip()]
        wanted = change(lines)
        if wanted != lines:
            put_file(folder, NAME, "".join(f"{line}\n" for line in wanted))
    finally:
        os.close(handle)
