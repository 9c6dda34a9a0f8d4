# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is logged in over SSH, and from where, seen from inside the session. Private to this collection.

sshd sets C(SSH_CONNECTION) for the user's shell (ssh(1), ENVIRONMENT); sudo takes it away again. The parents of the process still
have it, and root may read their environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple


class Session(NamedTuple):
    """One SSH session."""

    uid: int
    """Who logged in, before any change of user."""
    client_address: str
    server_port: int
    client_port: int = 0


def current_session() -> Session | None:
    """The SSH session that this process was started from."""
    return find(os.getpid(), _read_bytes)


def find(pid: int, read: Callable[[str], bytes]) -> Session | None:
    """The SSH session that the process was started from, or None if there is none.

    ``read`` returns the content of a file and raises OSError where it cannot.
    """
    found = None
    seen: set[int] = set()
    while pid > 1 and pid not in seen:
        seen.add(pid)
        try:
            status = _status(read(f"/proc/{pid}/status").decode("utf-8", "replace"))
            connection = _variable(read(f"/proc/{pid}/environ"), b"SSH_CONNECTION")
        except OSError:
            break
        fields = connection.split()
        if len(fields) == 4:
            # The topmost process that has it is the one that sshd started.
            found = Session(int(status["Uid"].split()[0]), fields[0], int(fields[3]), int(fields[1]))
        pid = int(status["PPid"])
    return found


def _status(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _unused, value in (line.partition(":") for line in text.splitlines())}


def _variable(environ: bytes, name: bytes) -> str:
    for entry in environ.split(b"\0"):
        key, _unused, value = entry.partition(b"=")
        if key == name:
            return value.decode("ascii", "replace")
    return ""


def _read_bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
