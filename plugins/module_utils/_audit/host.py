# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit may look at, and for how long. Private to this collection.

Everything is read, nothing is changed. Whoever owns a file may have made it to keep a reader busy: no link is followed in the
last step, nothing but a regular file is opened, reading ends at a limit, and a walk at a moment.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import typing as t
from collections.abc import Callable, Iterator

LIMIT = 1 << 20
SECONDS = 60.0
# Entries of one folder; more are no folder of configuration.
ENTRIES = 10_000
# Where Docker's daemon, which no process of the container is, answers for names (Docker, "Embedded DNS server").
DOCKER_RESOLVER = "127.0.0.11"

Attempt = Callable[..., tuple[int, str, str]]
"""Runs a program with its arguments: exit code, standard output, standard error."""


class Host:
    """A host below `root`; `attempt` runs its programs."""

    def __init__(self, attempt: Attempt, root: str = "/", seconds: float = SECONDS) -> None:
        self.attempt = attempt
        self.root = root
        self.seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Give what follows the whole time."""
        self.deadline = time.monotonic() + self.seconds

    def path(self, path: str) -> str:
        """Where a path of the host is for this process."""
        return os.path.join(self.root, path.lstrip("/"))

    @property
    def late(self) -> bool:
        """Whether a walk has to end."""
        return time.monotonic() > self.deadline

    def text(self, path: str, limit: int = LIMIT) -> str | None:
        """The beginning of a regular file; None if there is none, or something else. What is no UTF-8 stays as surrogates."""
        try:
            handle = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            with open(handle, "rb", closefd=False) as stream:
                return stream.read(limit).decode("utf-8", "surrogateescape")
        except OSError:
            return None
        finally:
            os.close(handle)

    def status(self, path: str) -> os.stat_result | None:
        """Of the thing itself, also where it is a link."""
        with contextlib.suppress(OSError):
            return os.lstat(self.path(path))
        return None

    def names(self, folder: str) -> list[str]:
        """What is in a folder, sorted; nothing if it is none."""
        found: list[str] = []
        with contextlib.suppress(OSError), os.scandir(self.path(folder)) as entries:
            for entry in entries:
                if len(found) >= ENTRIES:
                    break
                found.append(entry.name)
        return sorted(found)

    def output(self, *argv: str) -> str:
        """What a program prints; empty if it fails or is not there."""
        code, out, _err = self.attempt(*argv)
        return out if code == 0 else ""

    def walk(self, top: str, device: int | None = None) -> Iterator[tuple[str, os.stat_result]]:
        """Everything below a folder on its own file system, with its status, as paths of the host; until time is up."""
        first = self.status(top)
        if first is None or not stat.S_ISDIR(first.st_mode):
            return
        device = first.st_dev if device is None else device
        folders = [top]
        while folders and not self.late:
            folder = folders.pop()
            with contextlib.suppress(OSError), os.scandir(self.path(folder)) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        path = f"{folder.rstrip('/')}/{entry.name}"
                        yield path, status
                        if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                            folders.append(path)


class Account(t.NamedTuple):
    """A line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str

    @property
    def logs_in(self) -> bool:
        return not self.shell.endswith(("/nologin", "/false", "/sync"))


def accounts(host: Host) -> list[Account]:
    """Of /etc/passwd. A line that is none is left out."""
    found = []
    for line in (host.text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdecimal() and fields[3].isdecimal():
            found.append(Account(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6]))
    return found


def names(host: Host) -> dict[int, str]:
    """Number -> account: the first, where several have one number (getpwuid(3))."""
    return {account.uid: account.name for account in reversed(accounts(host))}


def groups(host: Host) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Name -> number and members, of group(5)."""
    found = {}
    for line in (host.text("/etc/group") or "").splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[2].isdecimal():
            found[fields[0]] = (int(fields[2]), tuple(filter(None, fields[3].split(","))))
    return found
