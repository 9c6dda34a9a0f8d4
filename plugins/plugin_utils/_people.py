# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People of the inventory, for those who only ask who there is. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping


def present(items: Iterable[Mapping[str, t.Any]] | None) -> dict[str, Mapping[str, t.Any]]:
    """Who has an account by the lists of the role `accounts`, and the entry; the last one of each name."""
    return {str(item["name"]): item for item in items or () if item.get("state", "present") == "present"}


def with_account(value: Callable[[str], t.Any]) -> dict[str, Mapping[str, t.Any]]:
    """Who has an account by a host's variables, and the entry."""
    return present([*(value("accounts_administrators") or ()), *(value("accounts_researchers") or ())])


def groups_of(value: Callable[[str], t.Any]) -> dict[str, frozenset[str]]:
    """Who has an account by a host's variables, and the groups that this says of them, those of projects included."""
    login, projects = str(value("accounts_login_group")), value("accounts_projects") or ()
    return {
        name: frozenset(
            [
                login,
                *map(str, entry.get("groups") or ()),
                *(str(one.get("group") or one["name"]) for one in projects if name in (one.get("members") or ())),
            ]
        )
        for name, entry in with_account(value).items()
    }
