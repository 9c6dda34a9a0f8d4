# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold among the variables of the role accounts. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ._accounts import Desired, problems


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    people = [desired(item, administrator=True) for item in variables.get("accounts_administrators", [])]
    people += [desired(item, administrator=False) for item in variables.get("accounts_researchers", [])]
    return problems(people, str(variables.get("accounts_login_group", "ssh-users")))


def desired(item: Mapping[str, t.Any], *, administrator: bool) -> Desired:
    """One entry of the lists in the inventory."""
    return Desired(
        name=str(item["name"]),
        present=item.get("state", "present") != "absent",
        administrator=administrator,
        sudo_nopasswd=bool(item.get("sudo_nopasswd", False)),
        keys=tuple(str(key) for key in item.get("keys") or ()),
        uid=item.get("uid"),
        comment=item.get("comment"),
        shell=str(item.get("shell") or "/bin/bash"),
        groups=tuple(str(group) for group in item.get("groups") or ()),
        password=item.get("password"),
    )
