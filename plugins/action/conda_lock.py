# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_lock: read the environment file, let a host solve it, write the lock file."""

from __future__ import annotations

from pathlib import Path

from ..module_utils._conda.errors import CondaEnvError
from ..module_utils._conda.lock import Lock, parse_lock
from ..module_utils._host.difference import difference
from ..plugin_utils._conda.action import Data, SpecificationAction
from ..plugin_utils._conda.lock_file import beside, lines, read, same, write


class ActionModule(SpecificationAction):
    MODULE = "openlab.research_server.conda_lock"
    _supports_async = False

    def arguments(self) -> Data:
        arguments = super().arguments()
        src = arguments.get("src")
        return {"name": Path(str(src)).stem if src else None, **arguments}

    def perform(self, arguments: Data, task_vars: Data | None) -> Data:
        dest = arguments.pop("dest", None)
        arguments, found = self.with_specification(arguments)
        result = self.execute(arguments, task_vars)
        if result.get("failed"):
            return result
        path = Path(self._loader.path_dwim(str(dest))) if dest else beside(found, result["platform"]) if found else None
        kept = self.keep(path, parse_lock(result["lock"])) if path else {}
        return {**result, **kept, "notes": [*result["notes"], *kept.get("notes", ())]}

    def keep(self, path: Path, lock: Lock) -> Data:
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
        notes = former.other_solver(lock.solver) if former else ()
        diff = difference(str(path), lines(former), lines(lock))
        return {"changed": True, "dest": str(path), "diff": diff, "notes": list(notes)}
