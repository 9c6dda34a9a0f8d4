# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meet a host for the first time: pin its key, and find an account that gets in."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.plugins.action import ActionBase

from ..module_utils._host.refused import RefusedError
from ..module_utils._text.shown import shown_line
from ..plugin_utils._guarded import guarded
from ..plugin_utils._login import first_contact as contact
from ..plugin_utils._login.client import has_become_password
from ..plugin_utils._login.client import options as ssh_options
from ..plugin_utils._login.endpoint import candidates, port_numbers, with_alias
from ..plugin_utils._login.first_contact import HostKey
from ..plugin_utils._login.meet import Target, ask_for_key, find, pin, read_pins, try_login
from ..plugin_utils._login.reach import read_client


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars or {})
        _unused, arguments = self.validate_argument_spec(
            argument_spec={
                "ports": {"type": "list", "elements": "raw", "required": True},
                "administrators": {"type": "list", "elements": "dict", "required": True},
                "user": {"type": "str"},
                "fingerprints": {"type": "list", "elements": "str", "default": []},
                "accept": {"type": "bool", "default": False},
                "timeout": {"type": "int", "default": 5},
            }
        )
        if self._connection.transport != "ssh":
            raise AnsibleActionFail(f"found the connection '{self._connection.transport}'; expected ssh")
        has_password = has_become_password(self._play_context, task_vars or {})
        try:
            name = str((task_vars or {}).get("inventory_hostname", ""))
            return self._meet(name, arguments, has_become_password=has_password)
        except (RefusedError, ValueError) as error:
            raise AnsibleActionFail(f"{error}. This task has changed nothing on the host.") from None

    def _meet(self, name: str, arguments: Mapping[str, t.Any], *, has_become_password: bool) -> dict[str, t.Any]:
        option = self._connection.get_option
        administrator = option("remote_user") or ""
        declared = arguments["administrators"]
        contact.check_administrator(administrator, [item["name"] for item in declared if item.get("state") != "absent"])
        contact.check_sudo_password(administrator, declared, has_password=has_become_password)
        host, common_args = option("host"), option("ssh_common_args") or ""
        options = ssh_options(self._connection)
        client = read_client(host, options)
        ports = candidates(port_numbers(arguments["ports"]), client.port)
        pins, files = read_pins(client, ports)
        target, offered = find(client, [Target(host, port, tuple(options), arguments["timeout"]) for port in ports], pins)
        known = contact.is_pinned(client.alias, offered, pins, files) or pins.authority
        result: dict[str, t.Any] = {
            "changed": not known,
            "port": target.port,
            "common_args": with_alias(common_args, client.alias),
            "host_key": {"type": offered.type, "fingerprint": offered.fingerprint, "pinned_in": files[0]},
        }
        if arguments["fingerprints"]:
            others = (ask_for_key(target, ",".join(names)) for names in contact.ALGORITHMS.values())
            contact.check_fingerprint(client.alias, offered, arguments["fingerprints"], (key for key in others if key))
        elif not known:
            # Of several servers in one run the one that is asked about; its alias may be no more than an address.
            whom = client.alias if name in ("", client.alias) else f"{name} ({client.alias})"
            self._agree(whom, offered, accepted=arguments["accept"] or self._task.check_mode)
        if not known and self._task.check_mode:
            return {**result, "msg": f"would pin the host key {offered} in {files[0]}; who gets in is seen once it is pinned"}
        if not known:
            pin(Path(files[0]), contact.known_hosts_line(client.alias, offered))
        target = replace(target, options=tuple(ssh_options(self._connection, result["common_args"])))
        return {**result, **self._way_in(target, administrator, arguments["user"], has_become_password)}

    def _agree(self, name: str, offered: HostKey, *, accepted: bool) -> None:
        """Trust on first use is a person's decision."""
        self._display.display(shown_line(f"{name} shows the host key {offered}"))
        if accepted:
            return
        question = f"Compare it {contact.ON_ITS_CONSOLE}.\nIs this the right host key for {name}? (yes/no) "
        try:
            answer = self._display.prompt_until(question).decode(errors="replace").strip().lower()
        # OSError: a terminal that belongs to another session, as after `su -c`.
        except (AnsiblePromptNoninteractive, AnsiblePromptInterrupt, OSError):
            raise RefusedError(
                f"the host key of {name} is unknown: found {offered}; expected its fingerprint in "
                "bootstrap_host_key_fingerprint, or a person at the terminal, or 'bootstrap_accept_host_key: true'",
                f"Read it {contact.ON_ITS_CONSOLE}",
            ) from None
        if answer not in ("yes", "y"):
            raise RefusedError(f"the host key {offered} of {name} was not accepted")

    def _way_in(self, target: Target, administrator: str, user: str | None, has_become_password: bool) -> dict[str, t.Any]:
        """The first account that gets in and may become root."""
        password = self._connection.get_option("password") or self._play_context.password
        # Keys and the one-time password of the account for the first contact in one login: servers count the failed ones.
        tries = {administrator: None, **({user: password} if user else {})}
        problems = []
        for name, secret in tries.items():
            done, asked = try_login(target, name, secret)
            login = contact.parse_login(done.stdout)
            if login.uid < 0:
                problems.append(contact.login_problem(name, done.stdout, done.stderr, password=bool(secret)))
            elif login.may_become_root or (login.sudo and has_become_password):
                if asked:
                    self._check_mechanism()
                return {"user": name, "by": "password" if asked else "key", "python": login.python, "sudo": login.sudo}
            else:
                problems.append(contact.sudo_problem(name, login))
        raise RefusedError(contact.no_way_in(target.host, target.port, problems))

    def _check_mechanism(self) -> None:
        """ansible-core 2.19 types passwords by itself, before that and on demand a program does."""
        try:
            mechanism = self._connection.get_option("password_mechanism")
        except KeyError:
            mechanism = "sshpass"
        if mechanism == "sshpass" and shutil.which("sshpass") is None:
            raise RefusedError(
                "found no program 'sshpass' on the controller; this ansible-core needs it to log in with a password",
                "Install it (apt install sshpass), or use ansible-core 2.19 or newer, or give the host a key",
            )
