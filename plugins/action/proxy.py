# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of proxy: the lab's own authority makes the certificate of a host that has none that will do."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded
from ..plugin_utils._proxy.authority import Authority

MODULE = "openlab.research_server.proxy"


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
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

    def _read(self, path: str) -> bytes:
        """A key that is in a vault is read as what is in it."""
        with open(self._loader.get_real_file(path), "rb") as stream:
            return stream.read()


def needs_authority(arguments: t.Mapping[str, t.Any]) -> bool:
    return not arguments.get("certificate") or any(site.get("auth") == "certificate" for site in arguments.get("sites") or ())
