# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of proxy: where people's JupyterLabs are; the lab's own authority certifies a host that has no certificate."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase

from ..module_utils._proxy.sites import JUPYTER
from ..plugin_utils._guarded import guarded
from ..plugin_utils._jupyter.port import port_of
from ..plugin_utils._proxy.authority import Authority
from ..plugin_utils._role_variables import RoleVariables

MODULE = "openlab.research_server.proxy"


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        arguments["labs"] = self._labs(arguments, task_vars or {})
        authority = Authority(Path(str(arguments.get("ca_dir", "ca"))).expanduser(), self._read)
        made = False
        if needs_authority(arguments) and not self._task.check_mode:
            made = authority.make()
        arguments["authority"] = authority.text
        told = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if told.get("request") and not told.get("failed"):
            arguments["certificate"] = authority.certify_server(str(told["request"]), arguments["names"])
            told = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        told["changed"] = bool(told.get("changed")) or made
        return {**result, **told}

    def _labs(self, arguments: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, str]:
        if all(site.get("to") != JUPYTER for site in arguments.get("sites") or ()):
            return {}
        told = RoleVariables(self._templar, ["jupyter"], task_vars)
        ports = told.value("jupyter_ports", {})
        return {name: f"port:{port_of(name, ports)}" for name in told.value("jupyter_users", [])}

    def _read(self, path: str) -> bytes:
        """A key that is in a vault is read as what is in it."""
        with open(self._loader.get_real_file(path), "rb") as stream:
            return stream.read()


def needs_authority(arguments: t.Mapping[str, t.Any]) -> bool:
    own = not arguments.get("certificate") and not arguments.get("acme_directory")
    return own or any(site.get("auth") == "certificate" for site in arguments.get("sites") or ())
