# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_env_info: read the environment file to compare with, as conda_env does."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._conda_errors import CondaEnvError
from ..plugin_utils._conda_file import with_definition


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        name = str(arguments.get("name") or arguments.get("prefix") or "?")
        try:
            found = None
            if arguments.get("src") and arguments.get("definition") is None:
                found = Path(self._find_needle("files", str(arguments.pop("src"))))
            arguments = with_definition(arguments, found, Path(self._loader.get_basedir()))
        except CondaEnvError as error:
            return {**result, "failed": True, "msg": error.message(name)}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": f"conda environment '{name}': {error}"}
        module = "openlab.research_server.conda_env_info"
        return {**result, **self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)}
