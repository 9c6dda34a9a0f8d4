# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check every role's variables on the controller, all at once, before the first change."""

from __future__ import annotations

import importlib
import importlib.util
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded
from ..plugin_utils._preflight.check import PLATFORMS, check_platform, check_unknown, check_values, report
from ..plugin_utils._role_variables import ROLES, RoleVariables, read_yaml

CHECKS = "ansible_collections.openlab.research_server.plugins.plugin_utils._preflight"


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _result, arguments = self.validate_argument_spec(
            argument_spec={"roles": {"type": "list", "elements": "str", "required": True}}
        )
        # Gathered facts are plain data; facts that a test or an inventory gives may be a template.
        facts = self._templar.template(variables.get("ansible_facts", {}))
        problems, notes = check_platform(facts), list[str]()
        # Without facts every variable that mentions one would be reported too, and hide the cause.
        for role in arguments["roles"] if facts else []:
            if not (ROLES / role / "tasks").is_dir():
                raise AnsibleError(f"preflight: found role '{role}'; expected a role of this collection")
            found, told = self.check_role(role, variables, facts)
            problems, notes = problems + found, notes + told
        host = variables.get("inventory_hostname", "this host")
        if problems:
            return {"failed": True, "msg": report(host, problems), "problems": problems}
        platform = (str(facts["distribution"]), str(facts["distribution_major_version"]))
        return {"changed": False, "platform": f"{' '.join(platform)}: {PLATFORMS[platform]}", "notes": notes}

    def check_role(self, role: str, variables: dict[str, t.Any], facts: dict[str, t.Any]) -> tuple[list[str], list[str]]:
        """What is wrong with a role's variables, and what people may want to know about them."""
        specs = read_yaml(ROLES / role / "meta" / "argument_specs.yml").get("argument_specs", {})
        options = specs.get("main", {}).get("options", {})
        told = RoleVariables(self._templar, [role], variables)
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
