# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_env: read the environment file and what it names, so that managed hosts need no YAML."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils._conda_archive import lines, sha256_of
from ..module_utils._conda_errors import CondaEnvError
from ..module_utils._conda_lockfile import RENEW
from ..plugin_utils._conda_file import with_definition
from ..plugin_utils._conda_lock_file import read


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars or {})
        arguments = dict(self._task.args)
        name = str(arguments.get("name") or arguments.get("prefix") or "?")
        try:
            found, notes = None, []
            if arguments.get("state", "present") == "present":
                notes = self.read_lock(arguments)
                self.find_archive(arguments)
                if arguments.get("src") and arguments.get("definition") is None:
                    found = Path(self._find_needle("files", str(arguments.pop("src"))))
            arguments = with_definition(arguments, found, Path(self._loader.get_basedir()))
        except CondaEnvError as error:
            return {**result, "failed": True, "msg": error.message(name)}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": f"conda environment '{name}': {error}"}
        result |= self.execute(arguments, task_vars)
        return {**result, "notes": [*result["notes"], *notes]} if notes and "notes" in result else result

    def execute(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Run the module; once more with the archive, if the host does not have what is in it."""
        module, local = "openlab.research_server.conda_env", arguments.pop("__archive", None)
        done: dict[str, t.Any] = self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)
        if not done.pop("archive_needed", False):
            return done
        try:
            arguments["archive_facts"].update(self.hand_over(local))
        except CondaEnvError as error:
            return {"failed": True, "msg": error.message(str(arguments.get("name") or arguments.get("prefix")))}
        return dict(self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars))

    def hand_over(self, local: str) -> dict[str, t.Any]:
        """What the host needs of an archive: the file, or in check mode only what is in it."""
        if self._task.check_mode:
            with tempfile.TemporaryDirectory() as scratch:
                return {"lines": lines(local, scratch)}
        shell = self._connection._shell
        if not shell.tmpdir:
            self._make_tmp_path()
        remote = shell.join_path(shell.tmpdir, "archive")
        self._transfer_file(local, remote)
        self._fixup_perms2((shell.tmpdir, remote))
        return {"file": remote}

    def find_archive(self, arguments: dict[str, t.Any]) -> None:
        """Say what an archive on the controller is."""
        if not arguments.get("archive") or boolean(arguments.get("remote_src", False), strict=False):
            return
        local = self._find_needle("files", str(arguments["archive"]))
        arguments |= {"archive_facts": {"sha256": sha256_of(local)}, "__archive": local}

    def read_lock(self, arguments: dict[str, t.Any]) -> list[str]:
        """Put the content of a lock file in the place of its path: as one text, which costs least on its way to the host.

        Returns notes.
        """
        path, policy = arguments.get("lock"), arguments.get("lock_policy")
        if not isinstance(path, str) or policy == "ignore":
            return []
        try:
            found = self._find_needle("files", path)
        except AnsibleFileNotFound:
            if policy == "prefer" and (arguments.get("src") or arguments.get("definition")):
                del arguments["lock"]
                return [f"solved on this host: there is no lock {path}"]
            raise CondaEnvError(f"there is no lock {path}", f"{RENEW}. Nothing has been changed.") from None
        arguments["lock"] = json.dumps(read(Path(found)).to_dict())
        return []
