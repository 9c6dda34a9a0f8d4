# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check every role's variables on the controller, all at once, before the first change."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded
from ..plugin_utils._preflight.host import preflight, unmet


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "roles": {"type": "list", "elements": "str", "required": True},
                "unmet": {"type": "bool", "default": False},
            }
        )
        if arguments["unmet"]:
            return {"changed": False, **unmet(self._templar, arguments["roles"], variables)}
        # Gathered facts are plain data; facts that a test or an inventory gives may be a template.
        facts = self._templar.template(variables.get("ansible_facts", {}))
        return {"changed": False, **preflight(self._templar, arguments["roles"], variables, facts)}
