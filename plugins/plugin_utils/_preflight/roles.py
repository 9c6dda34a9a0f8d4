# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of a role, for one host. Private to this collection."""

from __future__ import annotations

import importlib
import importlib.util
import typing as t

from ansible.errors import AnsibleError

from .._role_variables import ROLES, RoleVariables, read_yaml
from .check import check_unknown, check_values

CHECKS = "ansible_collections.openlab.research_server.plugins.plugin_utils._preflight"


def check_role(templar: t.Any, role: str, variables: dict[str, t.Any], facts: dict[str, t.Any]) -> tuple[list[str], list[str]]:
    """What is wrong with a role's variables, and what people may want to know about them."""
    specs = read_yaml(ROLES / role / "meta" / "argument_specs.yml").get("argument_specs", {})
    options = specs.get("main", {}).get("options", {})
    told = RoleVariables(templar, [role], variables)
    values, problems = {}, check_unknown(role, options, variables)
    for name in options:
        if told.raw.get(name) is None:
            continue
        try:
            values[name] = told.value(name)
        except AnsibleError as error:
            problems.append(f"{name}: cannot be evaluated: {error}")
    problems += check_values(role, options, values)
    # Cross-checks only make sense on values of the right types.
    notes: list[str] = []
    if not problems and importlib.util.find_spec(f"{CHECKS}.{role}") is not None:
        module = importlib.import_module(f"{CHECKS}.{role}")
        problems += module.check({**values, "ansible_facts": facts})
        notes += module.notes(values) if hasattr(module, "notes") else []
    return problems, notes
