# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a file of the system is, and who may write it: as much a part of what a role manages as its text. Private to this
collection."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from . import acl, attributes, getent
from .difference import Difference, difference

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Rights(t.NamedTuple):
    """Of a file that somebody else has written, such as a package or an administrator: root's, and nothing of what is refused."""

    never: int = OTHERS_WRITE


# A private key of a host: RHEL lets a group read it (sshd-keygen@.service), nobody writes it.
PRIVATE = Rights(never=stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO)


class Fault(t.NamedTuple):
    """A file or folder with other rights than it should have."""

    path: str
    status: os.stat_result
    mode: int
    """What it shall be."""
    owner: int = 0
    group: int = 0
    locked: str = ""
    """With which attribute not even root can change it (chattr(1))."""

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    def difference(self) -> Difference:
        kind = "" if self.is_file or stat.S_ISDIR(self.status.st_mode) else "no file, "
        found = f"{kind}{_owners(self.status.st_uid, self.status.st_gid)}"
        return difference(
            self.path,
            f"{found}, mode {stat.S_IMODE(self.status.st_mode):04o}{', ' if self.locked else ''}{self.locked}\n",
            f"{_owners(self.owner, self.group)}, mode {self.mode:04o}\n",
        )

    def mend(self) -> None:
        """What is no file is taken away: whoever writes the text makes a new one."""
        if not self.is_file and not stat.S_ISDIR(self.status.st_mode):
            os.unlink(self.path)
            return
        handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not os.path.samestat(os.fstat(handle), self.status) or (self.is_file and os.fstat(handle).st_nlink > 1):
                return  # another one by now, or a file that has another name, too
            if self.locked:
                attributes.unlock(handle)
            # In this order: until the end nobody else gains anything.
            os.fchown(handle, self.owner, self.group)
            os.fchmod(handle, self.mode)
        finally:
            os.close(handle)


def faults(files: Mapping[str, int | Rights], folders: Iterable[str] = ()) -> list[Fault]:
    """Of files, by path with the mode that each shall have or with rights; of folders, and of every folder above all of them.

    What is missing has none.
    """
    return [*_folder_faults([*files, *(f"{folder}/" for folder in folders)]), *_file_faults(files)]


def differences(found: Iterable[Fault]) -> list[Difference]:
    return [fault.difference() for fault in found]


def mend(found: Iterable[Fault]) -> None:
    for fault in found:
        fault.mend()


def _file_faults(files: Mapping[str, int | Rights]) -> Iterator[Fault]:
    for path, wanted in sorted(files.items()):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                continue  # whoever writes the file will say so
            locked = attributes.locked(path)
            if isinstance(wanted, Rights):
                # Others may have made it a link to another file of theirs.
                if stat.S_ISREG(status.st_mode) and (locked or status.st_uid != 0 or mode & wanted.never):
                    yield Fault(path, status, mode & ~wanted.never, group=status.st_gid, locked=locked)
            elif locked or not stat.S_ISREG(status.st_mode) or mode != wanted or (status.st_uid, status.st_gid) != (0, 0):
                yield Fault(path, status, wanted, locked=locked)


def closed(folders: Iterable[str]) -> list[Fault]:
    """Of folders that people go through: those that are open to nobody but their owner. A group's is somebody's decision."""
    found = []
    for path in folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode) and not mode & (stat.S_IXGRP | stat.S_IXOTH):
                found.append(Fault(path, status, mode | 0o755, status.st_uid, status.st_gid))
    return found


def others_can_write(status: os.stat_result) -> bool:
    """Whether somebody else than root owns it or can write to it. Of a folder with the sticky bit, whether they can add to it."""
    mode = status.st_mode
    return status.st_uid != 0 or bool(mode & stat.S_IWOTH) or bool(mode & stat.S_IWGRP and status.st_gid != 0)


def private_faults(folder: str, names: Iterable[str], owner: tuple[int, int]) -> list[Fault]:
    """Of a folder of somebody's own, in one of root's, and of secrets in it: what others could read.

    What its owner has put there in a secret's place, such as a link or another name of somebody's file, is left alone.
    """
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        status = os.lstat(folder)
        if stat.S_ISDIR(status.st_mode) and (status.st_uid, stat.S_IMODE(status.st_mode)) != (owner[0], 0o700):
            found.append(Fault(folder, status, 0o700, *owner))
    for path in (f"{folder}/{name}" for name in names):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == owner[0]
            if own and stat.S_IMODE(status.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
                found.append(Fault(path, status, 0o600, owner[0], status.st_gid))
    return found


def _folder_faults(paths: Iterable[str]) -> Iterator[Fault]:
    """Whoever can write in a folder above a file can put another one in its place."""
    for folder in sorted({above for path in paths for above in _above(path)}):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.stat(folder)
            listed = status.st_mode & stat.S_IWGRP and acl.named(folder, acl.WRITE)
            if listed or (others_can_write(status) and not (status.st_uid == 0 and status.st_mode & stat.S_ISVTX)):
                mode = stat.S_IMODE(status.st_mode) & ~OTHERS_WRITE
                yield Fault(os.path.realpath(folder), status, mode, group=status.st_gid)


def _above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while True:
        yield folder
        if folder in ("/", ""):
            return
        folder = os.path.dirname(folder)


def _owners(uid: int, gid: int) -> str:
    return f"owner {getent.user(uid) or uid}, group {getent.group(gid) or gid}"
