# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People and projects as the inventory has them. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.module_utils.common.validation import check_type_list

from .._ssh.keys import compose
from . import projects as account_projects
from .people import Desired
from .projects import Project

KEY_FIELDS = frozenset({"key", "options", "expires"})


def everyone(
    administrators: Sequence[Mapping[str, t.Any]], researchers: Sequence[Mapping[str, t.Any]], projects: Sequence[Project]
) -> list[Desired]:
    """All people of the inventory; who works in a project is in its group."""
    people = [desired(item, administrator=True) for item in administrators]
    people += [desired(item, administrator=False) for item in researchers]
    return [
        person._replace(
            groups=tuple(dict.fromkeys([*person.groups, *(entry.group for entry in projects if person.name in entry.members)]))
        )
        for person in people
    ]


def project(item: Mapping[str, t.Any]) -> Project:
    """One entry of the list of projects."""
    return Project(
        name=str(item["name"]),
        path=str(item.get("path") or f"/srv/projects/{item['name']}"),
        group=str(item.get("group") or item["name"]),
        members=tuple(map(str, _items(item.get("members")))),
        mode=str(item.get("mode") or account_projects.MODE),
        acl=bool(item.get("acl", True)),
    )


def desired(item: Mapping[str, t.Any], *, administrator: bool) -> Desired:
    """One entry of the lists of people."""
    keys = _items(item.get("keys"))
    expires = item.get("expires")
    return Desired(
        name=str(item["name"]),
        present=item.get("state", "present") != "absent",
        administrator=administrator,
        sudo_nopasswd=bool(item.get("sudo_nopasswd", False)),
        keys=tuple(_line(key) for key in keys),
        uid=item.get("uid"),
        comment=item.get("comment"),
        shell=str(item.get("shell") or "/bin/bash"),
        groups=tuple(map(str, _items(item.get("groups")))),
        password=item.get("password"),
        expires=None if expires is None else str(expires),
        linger=item.get("linger"),
        archived=item.get("home") == "archived",
        setuid_removed=item.get("setuid") == "removed",
        mistakes=tuple(
            f"key {number}: found '{field}'; expected one of {', '.join(sorted(KEY_FIELDS))}"
            for number, key in enumerate(keys, 1)
            if isinstance(key, Mapping)
            for field in sorted(set(key) - KEY_FIELDS)
        ),
    )


def _items(value: t.Any) -> list[t.Any]:
    """A list as Ansible reads it when the module starts: a text that stands in its place is no list of letters."""
    try:
        return check_type_list(value or [])  # type: ignore[no-any-return] # Ansible has no annotations
    except TypeError:  # told by the check of types
        return []


def _line(key: t.Any) -> str:
    """A key as the line that sshd reads. It is either that line, or its parts."""
    if not isinstance(key, Mapping):
        return str(key)
    options, expires = key.get("options") or (), key.get("expires")
    return compose(
        str(key.get("key") or ""),
        [options] if isinstance(options, str) else [str(option) for option in options],
        None if expires is None else str(expires),
    )
