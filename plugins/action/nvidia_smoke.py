# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of nvidia_smoke: what each GPU did is shown without -v."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils._guarded import guarded


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        told = self._execute_module("openlab.research_server.nvidia_smoke", dict(self._task.args), task_vars=task_vars)
        return {**result, **told, "_ansible_verbose_always": True}
