# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the files of an environment belong to. Private to this collection.

Files of an environment are hard links into the package cache, and so the same files as those of other environments: one that is
to belong to somebody else gets copies of its own first.
"""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import shutil
import stat
from collections.abc import Callable

from .._host import getent
from .errors import CondaEnvError

_NOBODY_YET = -1


@dataclasses.dataclass(frozen=True)
class Owner:
    """User and group by number."""

    uid: int
    gid: int

    def names(self) -> str:
        """`user:group`, numbers where there is no name."""
        return f"{_name(self.uid, getent.user)}:{_name(self.gid, getent.group)}"

    def reason(self, prefix: str) -> str:
        """Why a prefix has to be built again; empty if it belongs to this owner."""
        found = owner_of(prefix)
        return "" if found == self else f"it belongs to {found.names()}, not to {self.names()}"


def resolve(owner: str | None, group: str | None, foreseen: bool = False) -> Owner:
    """Owner for names or numbers; without a user the one who runs this, without a group that user's own.

    With `foreseen` an account may be missing: the run that is foreseen may make it first.
    """
    uid, gid = os.geteuid(), os.getegid()
    if owner:
        try:
            entry = pwd.getpwuid(int(owner)) if owner.isdigit() else pwd.getpwnam(owner)
            uid, gid = entry.pw_uid, entry.pw_gid
        except KeyError:
            if not owner.isdigit() and not foreseen:
                raise CondaEnvError(f"owner: there is no user '{owner}' on the host", "Create the account first.") from None
            uid = gid = int(owner) if owner.isdigit() else _NOBODY_YET
    if group:
        try:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            if foreseen:
                return Owner(uid, _NOBODY_YET)
            raise CondaEnvError(f"group: there is no group '{group}' on the host", "Create the group first.") from None
    me = os.geteuid()
    if me != 0 and (uid != me or gid not in (os.getegid(), *os.getgroups())):
        raise CondaEnvError(
            f"only root can give files to {Owner(uid, gid).names()}",
            "Run the task with 'become: true', or without 'owner' and 'group'.",
        )
    return Owner(uid, gid)


def owner_of(prefix: str) -> Owner:
    """Whom a prefix belongs to."""
    status = os.lstat(prefix)
    return Owner(status.st_uid, status.st_gid)


def give(path: str, owner: Owner) -> None:
    """Give one file or folder away, and none of its other names."""
    status = os.lstat(path)
    if (status.st_uid, status.st_gid) == (owner.uid, owner.gid):
        return
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        own = f"{path}.own~"
        shutil.copy2(path, own, follow_symlinks=False)
        os.replace(own, path)
    os.lchown(path, owner.uid, owner.gid)


def _name(number: int, name_of: Callable[[int], str]) -> str:
    return "(to be created)" if number == _NOBODY_YET else name_of(number) or str(number)
