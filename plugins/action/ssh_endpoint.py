# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, from the controller, the port on which the host's SSH server answers."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded
from ..plugin_utils._login import client as login_client
from ..plugin_utils._login.endpoint import candidates, no_answer, port_numbers, with_alias
from ..plugin_utils._login.reach import first_answer, first_login, pinned_name, read_client


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
        try:
            wanted = port_numbers(arguments["ports"])
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from None
        if self._connection.transport != "ssh":
            return {"changed": False, "found": False}
        host = self._connection.get_option("host")
        arguments_of_ssh = login_client.arguments(self._connection)
        client = read_client(host, arguments_of_ssh)
        ports = candidates(wanted, client.port)
        alias = pinned_name(client, ports)
        if client.proxied:
            port, failures = first_login(host, ports, arguments_of_ssh, alias, arguments["timeout"])
        else:
            port, failures = first_answer(client.hostname, ports, arguments["timeout"])
        if port is None:
            raise AnsibleConnectionFailure(no_answer(client.hostname, failures))
        return {
            "changed": False,
            "found": True,
            "port": port,
            "common_args": with_alias(self._connection.get_option("ssh_common_args") or "", alias),
        }
