# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run may find out about a host before it changes anything there. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError

from .._role_variables import ROLES
from .check import PLATFORMS, check_platform, report
from .roles import check_roles, unreached


def preflight(
    templar: t.Any, roles: list[str], variables: dict[str, t.Any], facts: dict[str, t.Any], *, locks: bool = True
) -> dict[str, t.Any]:
    """What :ansplugin:`openlab.research_server.preflight#module` returns for a host that is to have these roles.

    :param locks: whether the roles' locks are to be there and to fit.
    """
    for role in roles:
        if not (ROLES / role / "tasks").is_dir():
            raise AnsibleError(f"preflight: found role '{role}'; expected a role of this collection")
    if not roles:
        return reached(variables)
    # Without facts every variable that mentions one would be reported too, and hide the cause.
    found = check_roles(templar, roles if facts else [], variables, facts, locks=locks)
    problems = [*check_platform(facts), *found.problems]
    if problems:
        return _failed(variables, problems)
    platform = (str(facts["distribution"]), str(facts["distribution_major_version"]))
    return {"platform": f"{' '.join(platform)}: {PLATFORMS[platform]}", "notes": found.notes, "warnings": found.warnings}


def unmet(templar: t.Any, roles: list[str], variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """The same for a host of which nothing is known yet, as far as that can be told."""
    problems = check_roles(templar, roles, variables, {}).problems
    return _failed(variables, problems) if problems else {}


def reached(variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """Whether a role reaches the host, or none shall."""
    problems = unreached(variables)
    return _failed(variables, problems) if problems else {}


def _failed(variables: dict[str, t.Any], problems: list[str]) -> dict[str, t.Any]:
    host = variables.get("inventory_hostname", "this host")
    return {"failed": True, "msg": report(host, problems)}
