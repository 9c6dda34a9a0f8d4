# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check every role's variables on the controller, all at once, before the first change."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded
from ..plugin_utils._preflight.check import PLATFORMS, check_platform, report
from ..plugin_utils._preflight.roles import check_roles, unreached
from ..plugin_utils._role_variables import ROLES


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
        host = variables.get("inventory_hostname", "this host")
        if not arguments["roles"]:
            problems = unreached(variables)
            return {
                "failed": bool(problems),
                "changed": False,
                "msg": report(host, problems) if problems else "",
                "problems": problems,
            }
        # Gathered facts are plain data; facts that a test or an inventory gives may be a template.
        facts = self._templar.template(variables.get("ansible_facts", {}))
        for role in arguments["roles"]:
            if not (ROLES / role / "tasks").is_dir():
                raise AnsibleError(f"preflight: found role '{role}'; expected a role of this collection")
        # Without facts every variable that mentions one would be reported too, and hide the cause.
        found = check_roles(self._templar, arguments["roles"] if facts else [], variables, facts)
        problems = [*check_platform(facts), *found.problems]
        if problems:
            return {"failed": True, "msg": report(host, problems), "problems": problems}
        platform = (str(facts["distribution"]), str(facts["distribution_major_version"]))
        return {
            "changed": False,
            "platform": f"{' '.join(platform)}: {PLATFORMS[platform]}",
            "notes": found.notes,
            "warnings": found.warnings,
        }
