# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_env: read the environment file and what it names, so that managed hosts need no YAML."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

from ansible.errors import AnsibleFileNotFound
from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._conda.archive import lines, sha256_of
from ..module_utils._conda.errors import CondaEnvError
from ..module_utils._conda.lock import RENEW
from ..module_utils._host.module import MORE
from ..plugin_utils._conda.action import FAILURES, Data, SpecificationAction, failure, name_of
from ..plugin_utils._conda.lock_file import read


class ActionModule(SpecificationAction):
    MODULE = "openlab.research_server.conda_env"
    _supports_async = True

    def perform(self, arguments: Data, task_vars: Data | None) -> Data:
        environments = arguments.pop("environments", None)
        if environments is None:
            return self.finish(self.prepare(arguments), task_vars)
        if not isinstance(environments, list) or not all(isinstance(item, dict) for item in environments):
            raise CondaEnvError(
                "'environments' is no list of mappings", "Expected a list of mappings with options of this module."
            )
        if self._task.async_val:
            raise CondaEnvError("found 'environments' in an asynchronous task", "Give each environment a task of its own.")
        results = self.each([{**arguments, **item} for item in environments], task_vars)
        return summary(results, whole=self._display.verbosity >= MORE)

    def each(self, tasks: list[Data], task_vars: Data | None) -> t.Iterator[Data]:
        """The result of each environment. Those that are as they should be are found in one round trip, for all together."""
        names = [name_of(task) for task in tasks]
        ready = [guarded(name, self.prepare, task) for name, task in zip(names, tasks)]
        asked = [{} if "failed" in task else for_module(task) for task in ready]
        seen = super().execute({"environments": asked}, task_vars) if ready else {"environments": []}
        if "environments" not in seen:
            yield seen
            return
        host = (task_vars or {}).get("inventory_hostname", "")
        for number, (name, task, settled) in enumerate(zip(names, ready, seen["environments"]), 1):
            if "failed" in task:
                result = task
            elif settled is not None:
                result = with_notes(settled, task)
            else:
                if not self._task.check_mode:
                    self._display.display(f"[{host}] conda environment '{name}' ({number} of {len(tasks)}) ...")
                result = guarded(name, self.finish, task, task_vars)
            yield {"name": name, **result}

    def prepare(self, arguments: Data) -> Data:
        """The arguments of the module, with all that the controller knows. Keys with two underscores are for this plugin."""
        if arguments.get("state", "present") != "present":
            return arguments
        arguments = dict(arguments)
        arguments["__notes"] = self.read_lock(arguments)
        self.find_archive(arguments)
        return self.with_specification(arguments)[0]

    def finish(self, arguments: Data, task_vars: Data | None) -> Data:
        """Run the module; once more with the archive, if the host does not have what is in it."""
        own = for_module(arguments)
        done = self.execute(own, task_vars)
        if done.pop("archive_needed", False):
            own["archive_facts"].update(self.hand_over(arguments["__archive"]))
            done = self.execute(own, task_vars)
        return with_notes(done, arguments)

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


def guarded(name: str, step: t.Callable[..., Data], *arguments: t.Any) -> Data:
    """The step's result, or how it failed: the other environments have their turn."""
    try:
        return step(*arguments)
    except FAILURES as error:
        return failure(error, name)


def for_module(arguments: Data) -> Data:
    """Without what is only for this plugin."""
    return {key: value for key, value in arguments.items() if not key.startswith("__")}


def with_notes(result: Data, arguments: Data) -> Data:
    """A result with what the controller has to say."""
    notes = arguments.get("__notes")
    return {**result, "notes": [*result["notes"], *notes]} if notes and "notes" in result else result


def summary(results: t.Iterable[Data], *, whole: bool) -> Data:
    """One result for the task. Ansible prints that of a failure: who did not ask for more reads which failed, and why."""
    environments = list(results)
    failures = [str(result.get("msg")) for result in environments if result.get("failed")]
    told: Data = {
        # Ansible shows those of the task alone.
        "warnings": [warning for result in environments for warning in result.pop("warnings", ())],
        "changed": any(result.get("changed") for result in environments),
        "diff": [result["diff"] for result in environments if result.get("diff")],
        "environments": environments,
    }
    if not failures:
        return told
    shown = environments if whole else [in_short(result) for result in environments if result.get("failed")]
    return {**told, "environments": shown, "failed": True, "msg": "\n".join(failures)}


def in_short(result: Data) -> Data:
    """A failure without what the message of the task says, what the task itself says, and the same output once more in lines."""
    return {key: result[key] for key in ("name", "failed", "stderr") if result.get(key)}
