# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of modules that take an environment file. Private to this collection."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError

from ...module_utils._conda.errors import CondaEnvError
from .._arguments import DirectArguments
from .._guarded import guarded
from .file import with_definition

Data = dict[str, t.Any]
FAILURES = (CondaEnvError, AnsibleError, OSError)


def name_of(arguments: Data) -> str:
    """What messages call the environment."""
    return str(arguments.get("name") or arguments.get("prefix") or "?")


def failure(error: Exception, name: str) -> Data:
    """The result of a task that found something wrong before its module ran."""
    text = error.message(name) if isinstance(error, CondaEnvError) else f"conda environment '{name}': {error}"
    return {"failed": True, "msg": text}


class SpecificationAction(DirectArguments):
    """Reads the file, so that managed hosts need no YAML; what is wrong with it fails the task with one message."""

    _supports_check_mode = True
    MODULE = ""

    @guarded
    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result: Data = super().run(tmp, task_vars or {})
        arguments = self.arguments()
        try:
            return {**result, **self.perform(arguments, task_vars)}
        except FAILURES as error:
            return {**result, **failure(error, name_of(arguments))}

    def arguments(self) -> Data:
        """What the task says."""
        return dict(self._task.args)

    def perform(self, arguments: Data, task_vars: Data | None) -> Data:
        """The result of the task."""
        return self.execute(self.with_specification(arguments)[0], task_vars)

    def with_specification(self, arguments: Data) -> tuple[Data, Path | None]:
        """The arguments with the content of the environment file in place of its path, and that path."""
        found = None
        if arguments.get("src") and arguments.get("definition") is None:
            found = Path(self._find_needle("files", str(arguments.pop("src"))))
        return with_definition(arguments, found, Path(self._loader.get_basedir())), found

    def execute(self, arguments: Data, task_vars: Data | None) -> Data:
        """Run the module on the host."""
        return dict(self._execute_module(module_name=self.MODULE, module_args=arguments, task_vars=task_vars))
