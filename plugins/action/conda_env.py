# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_env: read the environment file and what it names, so that managed hosts need no YAML."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ansible.errors import AnsibleFileNotFound
from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._conda_archive import lines, sha256_of
from ..module_utils._conda_errors import CondaEnvError
from ..module_utils._conda_lockfile import RENEW
from ..plugin_utils._conda_action import Data, SpecificationAction
from ..plugin_utils._conda_lock_file import read


class ActionModule(SpecificationAction):
    MODULE = "openlab.research_server.conda_env"
    _supports_async = True

    def perform(self, arguments: Data, task_vars: Data | None) -> Data:
        notes = []
        if arguments.get("state", "present") == "present":
            notes = self.read_lock(arguments)
            self.find_archive(arguments)
            arguments, _file = self.with_specification(arguments)
        result = self.execute(arguments, task_vars)
        return {**result, "notes": [*result["notes"], *notes]} if notes and "notes" in result else result

    def execute(self, arguments: Data, task_vars: Data | None) -> Data:
        """Run the module; once more with the archive, if the host does not have what is in it."""
        local = arguments.pop("__archive", None)
        done = super().execute(arguments, task_vars)
        if not done.pop("archive_needed", False):
            return done
        arguments["archive_facts"].update(self.hand_over(local))
        return super().execute(arguments, task_vars)

    def hand_over(self, local: str) -> Data:
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

    def find_archive(self, arguments: Data) -> None:
        """Say what an archive on the controller is."""
        if not arguments.get("archive") or boolean(arguments.get("remote_src", False), strict=False):
            return
        local = self._find_needle("files", str(arguments["archive"]))
        arguments |= {"archive_facts": {"sha256": sha256_of(local)}, "__archive": local}

    def read_lock(self, arguments: Data) -> list[str]:
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
