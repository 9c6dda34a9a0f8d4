# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the host, learn what it is, and check what its roles will need."""

from __future__ import annotations

import importlib
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.vars.clean import namespace_facts

from ..module_utils._host.refused import RefusedError
from ..plugin_utils._guarded import guarded
from ..plugin_utils._login.client import has_become_password
from ..plugin_utils._login.first_contact import check_sudo_password
from ..plugin_utils._login.reach import endpoint
from ..plugin_utils._preflight.host import preflight, reached
from ..plugin_utils._role_variables import ROLES, RoleVariables, read_yaml

# Read in the process that those of all hosts come from, as this plugin is imported there.
for _path in sorted(ROLES.glob("*/*/*.yml")):
    if _path.parent.name in ("defaults", "meta", "vars"):
        read_yaml(_path)
# What the roles' templates use. Ansible looks for a filter in all of them, in the process of each host and task, and compiles
# what has not been imported in the one that all those come from, as this plugin is.
FILTERS = [
    importlib.import_module(f"...filter.{path.stem}", __name__)
    for path in sorted(Path(__file__).parent.with_name("filter").glob("*.py"))
]
# The few facts that the roles use.
FACTS = ["!all", "!min", "distribution", "env", "pkg_mgr", "platform", "python", "service_mgr"]


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _unused, arguments = self.validate_argument_spec(
            argument_spec={
                "ports": {"type": "list", "elements": "raw"},
                "timeout": {"type": "int", "default": 5},
                "roles": {"type": "list", "elements": "str"},
                "locks": {"type": "bool", "default": True},
            }
        )
        roles = arguments["roles"]
        # A host that nothing is to be done to need not be there.
        lost = reached(variables) if roles is not None else {}
        if lost.get("failed"):
            return lost
        found = self.find(arguments["ports"], arguments["timeout"])
        learnt: dict[str, t.Any] = self._execute_module("ansible.legacy.setup", {"gather_subset": FACTS}, task_vars=variables)
        if learnt.get("failed"):
            return learnt
        facts = {**variables.get("ansible_facts", {}), **namespace_facts(learnt["ansible_facts"])["ansible_facts"]}
        known = {**variables, "ansible_facts": facts}
        checked = preflight(self._templar, roles, known, facts, locks=arguments["locks"]) if roles else {}
        # Ansible prints all that comes with a failure.
        if checked.get("failed"):
            return {"changed": False, **checked}
        if roles and "accounts" in roles and self._connection.transport == "ssh":
            self.check_sudo_password(known)
        return {"changed": False, **found, "ansible_facts": learnt["ansible_facts"], **checked}

    def check_sudo_password(self, variables: dict[str, t.Any]) -> None:
        """Every role wants root."""
        administrators = RoleVariables(self._templar, ["accounts"], variables).value("accounts_administrators", [])
        password = has_become_password(self._play_context, variables)
        try:
            check_sudo_password(self._connection.get_option("remote_user") or "", administrators, has_password=password)
        except RefusedError as error:
            raise AnsibleActionFail(f"{error}. Nothing has been changed on the host.") from None

    def find(self, ports: list[t.Any] | None, timeout: int) -> dict[str, t.Any]:
        """The port on which the host answers. This task goes on over it; Ansible lets no task tell the next ones."""
        if ports is None:
            return {"found": False}
        found = endpoint(self._connection, ports, timeout)
        if found["found"]:
            self._connection.set_option("port", found["port"])
            self._connection.set_option("ssh_common_args", found["common_args"])
        return found
