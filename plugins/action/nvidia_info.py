# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of nvidia_info: say in a line what is there, and stop where the driver that is wished for could not work."""

from __future__ import annotations

import typing as t

from ansible import constants

from ..module_utils._text.escapes import in_one_line
from ..plugin_utils._arguments import DirectArguments
from ..plugin_utils._guarded import guarded
from ..plugin_utils._nvidia.plan import plan

REPORT = "openlab.research_server.drift"


class ActionModule(DirectArguments):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        wishes = arguments.pop("wishes", None)
        result |= self._execute_module("openlab.research_server.nvidia_info", arguments, task_vars=task_vars)
        if wishes is not None and "info" in result:
            planned = plan(result["info"], wishes)
            result["msg"] = "\n".join(planned["problems"]) or planned["summary"]
            result["failed"] = bool(planned["problems"])
            result["apply"] = planned["apply"]
            result["notices"] = planned.get("notices", [])
            # In a line: the result is some sixty of them, of which people read one. In a drift run its report is all they read.
            if not result["failed"] and constants.DEFAULT_STDOUT_CALLBACK != REPORT:
                host = (task_vars or {}).get("inventory_hostname", "")
                for said in (result["msg"], *result["notices"]):
                    self._display.display(f"[{host}] {in_one_line(str(said))}")
        return result
