# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of audit: what the inventory declares, and what the lab has accepted."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils._drift import baseline
from ..plugin_utils._drift.declared import READ, declared
from ..plugin_utils._guarded import guarded
from ..plugin_utils._role_variables import RoleVariables


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, variables)
        arguments = dict(self._task.args)
        path = arguments.pop("baseline", None)
        if path:
            arguments.setdefault("accepted", accepted(Path(str(path)).expanduser()))
        groups = [str(name) for name in variables.get("group_names", ())]
        told = declared(RoleVariables(self._templar, READ, variables).value, groups)
        names = [*groups, str(variables["inventory_hostname"])]
        arguments = {**told, "names": names, **arguments}
        # Who remembers findings has to know why one is gone.
        kept = [f"{entry['topic']}: {entry['name']}" for entry in arguments.get("accepted") or []]
        return {**result, **self._execute_module(module_args=arguments, task_vars=variables), "accepted": kept}


def accepted(path: Path) -> list[dict[str, str]]:
    """The entries of a baseline, none if there is no such file. Raises AnsibleActionFail for what is no baseline."""
    if not path.exists():
        return []
    try:
        return [{"topic": entry.topic, "name": entry.name} for entry in baseline.read(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError) as error:
        raise AnsibleActionFail(f"{path}: {error}") from None
