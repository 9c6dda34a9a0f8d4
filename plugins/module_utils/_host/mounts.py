# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, from the text of /proc/self/mountinfo (proc(5)). Private to this collection."""

from __future__ import annotations

import re

from .files import read_file

# File systems of this machine alone that keep set-user-ID bits. Those of networks are searched where they live.
LOCAL = (
    "bcachefs",
    "btrfs",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "jfs",
    "nilfs2",
    "overlay",
    "ramfs",
    "reiserfs",
    "tmpfs",
    "xfs",
    "zfs",
)


def table() -> str:
    """That text, as this process sees it."""
    return read_file("/proc/self/mountinfo") or ""


def search_roots(mountinfo: str) -> list[str]:
    """Where to look for set-user-ID files, from the text of /proc/self/mountinfo: each local file system once (proc(5)).

    Where a mount says nosuid, the bits mean nothing.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for line in mountinfo.splitlines():
        left, _dash, right = line.partition(" - ")
        fields, kind = left.split(), right.split(" ")[0]
        if len(fields) > 5 and kind in LOCAL and "nosuid" not in fields[5].split(","):
            found.setdefault(fields[2], []).append((_decoded(fields[3]), _decoded(fields[4])))
    roots = []
    for mounts in found.values():
        whole: list[str] = []
        for inside, at in sorted(mounts, key=lambda mount: len(mount[0])):
            # The same file system at another place shows nothing new, if it is the whole or a part of what is seen already.
            if not any(f"{inside}/".startswith(f"{seen.rstrip('/')}/") for seen in whole):
                whole.append(inside)
                roots.append(at)
    return sorted(roots)


def mount_points(mountinfo: str) -> list[str]:
    """The mount points in the text of /proc/self/mountinfo."""
    fields = (line.split() for line in mountinfo.splitlines())
    return [_decoded(row[4]) for row in fields if len(row) > 4]


def _decoded(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), word)
