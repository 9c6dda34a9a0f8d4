# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer per conda installation: conda locks neither its package cache nor a prefix. Private to this collection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from .errors import CondaEnvError

_STEP = 0.2


def mutex_file(root: str) -> str:
    """Path of the mutex of a conda installation: beside it, since the installation itself may be replaced."""
    folder, name = os.path.split(os.path.abspath(root))
    if os.access(folder, os.W_OK):
        return os.path.join(folder, f".{name}.lock")
    home = writable_home(root)
    os.makedirs(home, exist_ok=True)
    return os.path.join(home, ".conda_env.lock")


def writable_home(root: str) -> str:
    """Folder for package cache and mutex: the installation, or `~/.conda` of somebody who does not own it."""
    return root if os.access(root, os.W_OK) else os.path.join(os.path.expanduser("~"), ".conda")


def acquire(handle: int, timeout: float) -> bool:
    """Be the only one who holds an open file or folder, until it is closed; False if another one has it for `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_STEP)


@contextlib.contextmanager
def exclusive(path: str, who: str, timeout: float) -> Iterator[int]:
    """Be the only one who holds the file at `path`; yields its descriptor.

    Children that inherit the descriptor hold it too: it is free only when the last of them has ended, also after
    this process was killed. Raises CondaEnvError after `timeout` seconds.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not acquire(handle, timeout):
            holder = os.pread(handle, 300, 0).decode("utf-8", "replace").strip() or "unknown"
            raise CondaEnvError(
                f"another run holds {path} ({holder}); waited {timeout:g} s",
                "Wait until it has finished, or raise 'lock_timeout'. The environment has not been touched.",
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}, environment '{who}'\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)
