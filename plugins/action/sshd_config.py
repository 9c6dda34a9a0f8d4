# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of sshd_config: tell the host what the client that has to log in again can speak."""

from __future__ import annotations

import typing as t

from ..module_utils._ssh.server_config import NEGOTIATED
from ..plugin_utils._arguments import DirectArguments
from ..plugin_utils._guarded import guarded
from ..plugin_utils._login import client as login_client


class ActionModule(DirectArguments):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        if arguments.get("state", "applied") == "applied" and self._connection.transport == "ssh":
            arguments.setdefault("client_algorithms", self._algorithms())
        module = "openlab.research_server.sshd_config"
        return {**result, **self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)}

    def _algorithms(self) -> dict[str, list[str]]:
        listing = login_client.listing(self._connection.get_option("host"), login_client.arguments(self._connection))
        said = dict(line.split(" ", 1) for line in listing.splitlines() if " " in line)
        return {keyword: said[keyword.lower()].split(",") for keyword in NEGOTIATED if keyword.lower() in said}
