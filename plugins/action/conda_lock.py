# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_lock: read the environment file, let a host solve it, write the lock file."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._conda_errors import CondaEnvError
from ..module_utils._conda_lockfile import Lock, parse_lock
from ..plugin_utils._conda_file import with_definition
from ..plugin_utils._conda_lock_file import beside, lines, read, same, write


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        src, dest = arguments.get("src"), arguments.pop("dest", None)
        arguments.setdefault("name", Path(str(src)).stem if src else None)
        name = str(arguments["name"] or "?")
        try:
            found = Path(self._find_needle("files", str(arguments.pop("src")))) if src else None
            arguments = with_definition(arguments, found, Path(self._loader.get_basedir()))
            module = "openlab.research_server.conda_lock"
            result |= self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)
            if result.get("failed"):
                return result
            path = Path(self._loader.path_dwim(str(dest))) if dest else beside(found, result["platform"]) if found else None
            return {**result, **(self.keep(path, parse_lock(result["lock"])) if path else {})}
        except CondaEnvError as error:
            return {**result, "failed": True, "msg": error.message(name)}
        except (AnsibleError, OSError) as error:
            return {**result, "failed": True, "msg": f"conda environment '{name}': {error}"}

    def keep(self, path: Path, lock: Lock) -> dict[str, t.Any]:
        """Write the lock, unless it says what the file says already."""
        try:
            former = read(path) if path.exists() else None
        except CondaEnvError as error:
            former = None
            self._display.warning(f"{error.cause}; it is made anew")
        if same(former, lock):
            return {"changed": False, "dest": str(path)}
        if not self._task.check_mode:
            write(path, lock)
        diff = {"before": lines(former), "after": lines(lock), "before_header": str(path), "after_header": str(path)}
        return {"changed": True, "dest": str(path), "diff": diff}
