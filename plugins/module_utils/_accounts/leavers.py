# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who leaves has left on a host: jobs, services, a home. Pure. Private to this collection."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .._text.escapes import listing

LINGER = "/var/lib/systemd/linger"
# Debian's folders, then those of RHEL. cron names a file after its owner; at only gives it to him.
CRON = ("/var/spool/cron/crontabs", "/var/spool/cron")
AT = ("/var/spool/cron/atjobs", "/var/spool/at")


class Home(NamedTuple):
    """A home and what matters before it is removed."""

    path: str
    is_folder: bool
    """And no link to one."""
    owned: bool
    parent_is_safe: bool
    """Only root can put something else in its place."""
    others: frozenset[str]
    """Other accounts whose homes are this one, or lie in it."""


def archive_obstacle(home: Home, mounts: Iterable[str]) -> str:
    """Why the home must not be archived and removed; empty if it may be."""
    inside = sorted(mount for mount in mounts if mount == home.path or mount.startswith(f"{home.path}/"))
    if not home.is_folder:
        return f"found a link or a file at {home.path}; expected a folder. Archive it by hand"
    if not home.owned or not home.parent_is_safe:
        return f"found {home.path} in other hands; expected it to be the account's, in a folder of root. Archive it by hand"
    if home.others:
        return f"found {home.path} to be the home of {', '.join(sorted(home.others))} too; archive it by hand"
    if inside:
        return f"found a file system mounted at {inside[0]}; unmount it first"
    return ""


def setuid_notice(name: str, paths: Sequence[str], *, complete: bool, removed: bool) -> str:
    """What is told of a leaver's files that run as the leaver, whoever starts them."""
    end = "" if complete else ". The search was not finished: it took too long, or found too many"
    if removed:
        return f"account '{name}': took the set-user-ID and set-group-ID bits from {listing(paths) or 'no file'}{end}"
    return (
        f"account '{name}': found files with a set-user-ID or set-group-ID bit: {listing(paths) or 'none so far'}; expected none "
        f"of somebody who has left. Look at them, and say 'setuid: removed' to take the bits away{end}"
    )


def numbers(name: str, uid: int, subordinate: str) -> list[range]:
    """As whom somebody's programs can run in a user namespace (subuid(5)).

    Numbers that somebody else has been given too tell nothing.
    """
    mine: list[range] = []
    others: list[range] = []
    for owner, start, count in subordinate_numbers(subordinate):
        (mine if owner in (name, str(uid)) else others).append(range(start, start + count))
    return [one for one in mine if not any(one.start < it.stop and it.start < one.stop for it in others)]


def subordinate_numbers(text: str) -> list[tuple[str, int, int]]:
    """The lines of subuid(5) or subgid(5): owner, first number, count."""
    rows = (line.split(":") for line in text.splitlines())
    return [(row[0], int(row[1]), int(row[2])) for row in rows if len(row) == 3 and row[1].isdigit() and row[2].isdigit()]


def rest(home: str) -> str:
    """Where a home waits for its removal once its archive is on the disk. No account's name begins with a dot."""
    return posixpath.join(posixpath.dirname(home), f".{posixpath.basename(home)}.archived")


def service(cgroup: str) -> str:
    """The system service that a process belongs to, from the text of its /proc/PID/cgroup; empty if it is in a session."""
    for line in cgroup.splitlines():
        path = line.split(":", 2)[-1]
        if not path.startswith("/user.slice/"):
            for part in reversed(path.split("/")):
                if part.endswith(".service"):
                    return part
    return ""
