# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what the doctor found on all hosts: a table for people, JSON for programs."""

from __future__ import annotations

import datetime
import importlib
import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version
from ansible.utils.color import ANSIBLE_COLOR

from ..plugin_utils._collection import collection_version, dependencies, version_of
from ..plugin_utils._doctor import controller
from ..plugin_utils._doctor.judge import Finding
from ..plugin_utils._doctor.report import render, report
from ..plugin_utils._files import write_private
from ..plugin_utils._guarded import guarded
from ..plugin_utils._role_variables import RoleVariables


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "variable": {"type": "str", "required": True},
                "dest": {"type": "path"},
                "full": {"type": "bool", "default": False},
                "post_quantum": {"type": "str", "default": "auto"},
            }
        )
        # A host that an earlier task has lost has registered nothing.
        results = {
            host: variables["hostvars"][host].get(arguments["variable"], {}) for host in variables["ansible_play_hosts_all"]
        }
        findings = {host: result.get("findings", []) for host, result in results.items()}
        kex = RoleVariables(self._templar, ["sshd"], {}).value("__sshd_post_quantum_kex", [])
        told = report(findings, [finding._asdict() for finding in examine(kex, arguments["post_quantum"])])
        # Only a terminal has a width; a pipe gets whole lines.
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        self._display.display(render(told, full=arguments["full"], color=bool(ANSIBLE_COLOR), width=width))
        if arguments["dest"]:
            stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            head = {"collection": {"name": "openlab.research_server", "version": collection_version()}, "finished": stamp}
            write_private(Path(arguments["dest"]), json.dumps({**head, **told}, indent=2) + "\n")
        return {"changed": False, **told}


def examine(kex: t.Iterable[str], post_quantum: str) -> list[Finding]:
    """The controller's own tools."""
    required = dependencies()
    return [
        controller.core(core_version),
        controller.ssh(output("ssh", "-V"), output("ssh", "-Q", "kex"), tuple(kex), post_quantum),
        *controller.collections(required, {name: installed_version(name) for name in required}),
    ]


def output(*command: str) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
    except OSError:
        return ""
    return done.stdout + done.stderr


def installed_version(name: str) -> str | None:
    """The version of a collection; empty if it does not tell, None if it is not there."""
    try:
        place = Path(next(iter(importlib.import_module(f"ansible_collections.{name}").__path__)))
    except (ImportError, StopIteration):
        return None
    return version_of(place)
