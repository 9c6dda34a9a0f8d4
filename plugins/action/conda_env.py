# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_env: read the environment file and what it names, so that managed hosts need no YAML."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._conda_errors import CondaEnvError
from ..plugin_utils._conda_file import collect_pip_files, read_definition


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        name = str(arguments.get("name") or arguments.get("prefix") or "?")
        try:
            if arguments.get("src") and arguments.get("definition") is None and arguments.get("state", "present") == "present":
                found = Path(self._find_needle("files", str(arguments.pop("src"))))
                arguments["definition"] = read_definition(found)
                folder = found.parent
            else:
                folder = Path(self._loader.get_basedir())
            if isinstance(arguments.get("definition"), dict) and "pip_files" not in arguments:
                arguments["definition"], arguments["pip_files"] = collect_pip_files(arguments["definition"], folder)
        except CondaEnvError as error:
            return {**result, "failed": True, "msg": error.message(name)}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": f"conda environment '{name}': {error}"}
        module = "openlab.research_server.conda_env"
        return {**result, **self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)}
