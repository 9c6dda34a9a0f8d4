# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of a role, for one host. Private to this collection."""

from __future__ import annotations

import importlib
import importlib.util
import typing as t

from ansible.errors import AnsibleError, AnsibleUndefinedVariable

from .._role_variables import ROLES, RoleVariables, read_yaml
from . import together
from .check import check_nothing, check_prefix, check_unknown, check_values
from .membership import lost

PACKAGE = __name__.rpartition(".")[0]
# Read here, once and for all hosts: Ansible's loader compiles a file each time, and asks each host in a process of its own.
CHECKS = {
    role: importlib.import_module(f"{PACKAGE}.{role}")
    for role in sorted(path.name for path in ROLES.iterdir())
    if importlib.util.find_spec(f"{PACKAGE}.{role}")
}
"""What a role checks beyond the types of its variables, for those that do."""


class Checked(t.NamedTuple):
    """A role's variables on one host."""

    problems: list[str]
    notes: list[str]
    """What people may want to know."""
    warnings: list[str]
    """What people should know."""
    values: dict[str, t.Any]
    """Empty if there are problems."""


def check_roles(
    templar: t.Any, roles: t.Iterable[str], variables: dict[str, t.Any], facts: dict[str, t.Any], *, locks: bool = True
) -> Checked:
    """All that is wrong with the variables of some roles, each by itself and together.

    :param facts: empty while nothing is known of the host; what depends on it is not looked at then.
    :param locks: whether locks are to be there and to fit, where the roles' variables ask for it.
    """
    found = {role: check_role(templar, role, variables, facts, locks=locks) for role in roles}
    values = {role: checked.values for role, checked in found.items()}
    return Checked(
        problems=[problem for checked in found.values() for problem in checked.problems] + together.check(values),
        notes=[note for checked in found.values() for note in checked.notes],
        warnings=[warning for checked in found.values() for warning in checked.warnings],
        values=values,
    )


def check_role(templar: t.Any, role: str, variables: dict[str, t.Any], facts: dict[str, t.Any], *, locks: bool = True) -> Checked:
    """What is wrong with a role's variables, and what people may want to know about them."""
    specs = read_yaml(ROLES / role / "meta" / "argument_specs.yml").get("argument_specs", {})
    options = specs.get("main", {}).get("options", {})
    told = RoleVariables(templar, [role], variables)
    values, problems, later = {}, [*check_unknown(role, options, variables), *check_prefix(role, options, variables)], []
    for name in options:
        try:
            values[name] = told.value(name)
        except AnsibleError as error:
            # What is not there may be a fact.
            if isinstance(error, AnsibleUndefinedVariable) and not facts:
                later.append(name)
            else:
                problems.append(f"{name}: cannot be evaluated: {error}")
    options = {name: option for name, option in options.items() if name in values}
    problems += check_nothing(options, values, read_yaml(ROLES / role / "defaults" / "main.yml"))
    values = {name: value for name, value in values.items() if value is not None}
    problems += check_values(role, options, values)
    # Cross-checks only make sense on values of the right types.
    if problems:
        return Checked(problems, [], [], {})
    # Which lock is a host's own depends on its architecture.
    if not (facts and locks):
        values.update({name: "ignore" for name in values if name == f"{role}_lock_policy"})
    module = CHECKS.get(role)
    if module is None:
        return Checked([], [], [], values)
    all_values = {**values, "ansible_facts": facts, "inventory_names": names(variables)}
    # Of what depends on a fact that is not known yet, nothing is said.
    problems = [problem for problem in module.check(all_values) if not problem.startswith(tuple(f"{name}:" for name in later))]
    if problems or later:
        return Checked(problems, [], [], {} if problems else values)
    notes, warnings = (module.__dict__.get(name, _nothing)(all_values) for name in ("notes", "warnings"))
    return Checked([], notes, warnings, values)


def unreached(variables: t.Mapping[str, t.Any]) -> list[str]:
    """Why no role of this collection reaches a host; nothing if one does, or none shall."""
    return lost(variables.get("group_names", ()), variables.get("groups", {}), [path.name for path in ROLES.iterdir()])


def names(variables: t.Mapping[str, t.Any]) -> set[str]:
    """Every host and group of the inventory; nothing where Ansible does not tell."""
    groups = variables.get("groups", {})
    return {*groups, *(host for hosts in groups.values() for host in hosts)}


def _nothing(_values: t.Any) -> list[str]:
    return []
