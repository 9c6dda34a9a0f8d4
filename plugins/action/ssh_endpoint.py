# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, from the controller, the port on which the host's SSH server answers."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded
from ..plugin_utils._login.reach import endpoint


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars or {})
        _unused, arguments = self.validate_argument_spec(
            argument_spec={
                "ports": {"type": "list", "elements": "raw", "required": True},
                "timeout": {"type": "int", "default": 5},
            }
        )
        return {"changed": False, **endpoint(self._connection, arguments["ports"], arguments["timeout"])}
