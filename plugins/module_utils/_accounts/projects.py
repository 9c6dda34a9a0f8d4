# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that the members of a project share. Pure. Private to this collection."""

from __future__ import annotations

import posixpath
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .._host.numbers import FIRST_PERSON
from .people import GROUP, Change, Desired
from .system_names import GROUPS

MODE = "2770"
# The default ACL of a folder as the kernel keeps it (acl(5); linux/posix_acl_xattr.h): new files get these rights whatever the
# umask of their maker, so that the other members can write them too.
ACL_ATTRIBUTE = "system.posix_acl_default"
ACL_VERSION = 2
ACL_USER, ACL_GROUP, ACL_OTHER = 0x01, 0x04, 0x20
ACL_NOBODY = 0xFFFFFFFF


class Project(NamedTuple):
    """One shared folder, as the data says."""

    name: str
    path: str
    group: str
    members: tuple[str, ...] = ()
    mode: str = MODE
    acl: bool = True


class Folder(NamedTuple):
    """The folder and its group, as the host has them."""

    gid: int | None = None
    """Number of the project's group; None if there is none."""
    members: frozenset[str] = frozenset()
    primary: frozenset[str] = frozenset()
    """Whose primary group it is: they are in it without being listed as members."""
    obstacle: str = ""
    """Why root does not touch the path."""
    exists: bool = False
    mode: int = 0
    owner: str = ""
    acl: bytes | None = None


def acl(mode: int) -> bytes:
    """The default ACL that gives new files the rights of this mode."""
    entries = ((ACL_USER, mode >> 6 & 7), (ACL_GROUP, mode >> 3 & 7), (ACL_OTHER, mode & 7))
    return struct.pack("<I", ACL_VERSION) + b"".join(struct.pack("<HHI", tag, rights, ACL_NOBODY) for tag, rights in entries)


def problems(projects: Sequence[Project], people: Iterable[Desired], login_group: str) -> list[str]:
    """One sentence for each thing that is wrong with the data: found, expected, what to do."""
    found: list[str] = []
    # Whoever leaves may still be named: one edit is enough to let somebody go.
    known = {person.name for person in people}
    for project in projects:
        where = f"project '{project.name}'"
        if not GROUP.fullmatch(project.group):
            found.append(
                f"{where}: found group '{project.group}'; expected lower-case letters, digits, '_', '-' and '.', at most 32"
            )
        if project.group == login_group or project.group in GROUPS:
            found.append(
                f"{where}: found group '{project.group}', which means more than the project; name another one in 'group'"
            )
        if project.group in known:
            found.append(
                f"{where}: found group '{project.group}', which is that person's alone; name another one in 'group', or "
                "rename the project"
            )
        if not project.path.startswith("/") or posixpath.normpath(project.path) != project.path or project.path.count("/") < 2:
            found.append(f"{where}: found path '{project.path}'; expected an absolute path such as /srv/projects/{project.name}")
        if not re.fullmatch(r"2[0-7]{3}", project.mode) or int(project.mode, 8) & 0o070 != 0o070 or int(project.mode, 8) & 0o002:
            found.append(
                f"{where}: found mode '{project.mode}'; expected '2770', or '2775' if everyone on the host may read (with quotes)"
            )
        found += [
            f"{where}: found member '{member}'; expected the name of an administrator or a researcher"
            for member in project.members
            if member not in known
        ]
    for what, values in (("path", [project.path for project in projects]), ("name", [project.name for project in projects])):
        found += [
            f"accounts_projects: found {what} '{value}' twice" for value in sorted({v for v in values if values.count(v) > 1})
        ]
    for group in sorted({project.group for project in projects}):
        sharing = [project for project in projects if project.group == group]
        if len({frozenset(project.members) for project in sharing}) > 1:
            names = ", ".join(f"'{project.name}'" for project in sharing)
            found.append(
                f"accounts_projects: found group '{group}' for {names} with different members; expected the same members, since "
                "they all get into all of these folders, or a 'group' for each"
            )
    return found


def conflicts(projects: Iterable[Project], people: Sequence[Desired], actual: Mapping[str, Folder]) -> list[str]:
    """Why the data does not fit this host; nothing is changed then."""
    found = []
    # Whoever leaves is locked, and must not stay because of this.
    leavers = {person.name for person in people if not person.present}
    for project in projects:
        folder = actual[project.name]
        if folder.gid is not None and folder.gid < FIRST_PERSON:
            found.append(
                f"project '{project.name}': found system group '{project.group}' (gid {folder.gid}); name another one in 'group'"
            )
        others = sorted(folder.primary - _members(project.group, people) - leavers)
        if others:
            found.append(
                f"project '{project.name}': found {', '.join(others)}, whose primary group '{project.group}' is; expected one "
                "that only the members have. Name another one in 'group', or give each of them a primary group of their own: "
                f"'usermod -g GROUP {others[0]}'"
            )
    return found


def obstacles(projects: Iterable[Project], actual: Mapping[str, Folder]) -> list[str]:
    """Which folders are left alone, one sentence for each; everything else is done."""
    return [f"project '{project.name}': {actual[project.name].obstacle}" for project in projects if actual[project.name].obstacle]


def plan(projects: Sequence[Project], people: Sequence[Desired], actual: Mapping[str, Folder]) -> list[Change]:
    """What has to be done after the people of the data have their accounts. ``name`` is the project's, or who leaves a group."""
    changes: list[Change] = []
    for group in sorted({project.group for project in projects}):
        folder = next(actual[project.name] for project in projects if project.group == group)
        going = sorted(folder.members - _members(group, people))
        changes += [Change(name, "leave", group, f"member of {group}", "") for name in going]
    for project in projects:
        folder, mode = actual[project.name], int(project.mode, 8)
        wanted = f"folder {project.path}, {project.mode}, root:{project.group}{', default ACL' if project.acl else ''}"
        owner = f"0:{folder.gid}"
        right = (folder.exists, folder.mode, folder.owner, folder.acl) == (True, mode, owner, acl(mode) if project.acl else None)
        if not right and not folder.obstacle:
            before = f"folder {project.path}, {folder.mode:04o}, {folder.owner}" if folder.exists else ""
            before += ", default ACL" if folder.acl is not None else ""
            changes.append(Change(project.name, "folder", project, before, wanted))
    return changes


def _members(group: str, people: Iterable[Desired]) -> set[str]:
    return {person.name for person in people if person.present and group in person.groups}
