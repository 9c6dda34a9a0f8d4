# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meet a host for the first time: pin its key, and find an account that gets in."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.plugins.action import ActionBase

from ..module_utils._text.shown import shown_line
from ..plugin_utils._guarded import guarded
from ..plugin_utils._login import first_contact as contact
from ..plugin_utils._login.endpoint import Client, aliases, candidates, no_answer, port_numbers, with_alias
from ..plugin_utils._login.first_contact import HostKey, Pins, RefusedError
from .ssh_endpoint import read_banner, read_client

# Before the user's own options, of which ssh takes the first: this connection trusts nobody and tells nothing.
ASK_FOR_KEY = (
    *("-o", "StrictHostKeyChecking=accept-new", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "KnownHostsCommand=none"),
    *("-o", "HostKeyAlias=host", "-o", "HashKnownHosts=no", "-o", "UpdateHostKeys=no", "-o", "VerifyHostKeyDNS=no"),
    *("-o", "PreferredAuthentications=none", "-o", "BatchMode=yes"),
)
# Leaves a mark when the password was needed.
ASKPASS = '#!/bin/sh\n: > "$0.asked"\nprintf "%s\\n" "$RESEARCH_SERVER_PASSWORD"\n'


@dataclass(frozen=True)
class Target:
    """Where to log in, and how Ansible would tell ssh."""

    host: str
    port: int
    options: tuple[str, ...]
    timeout: int

    def ssh(self, *more: str) -> list[str]:
        own = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", f"ConnectTimeout={self.timeout}")
        return ["ssh", *more, *own, *self.options, "-p", str(self.port)]


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
        names = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
        become_password = self._play_context.become_pass or next(filter(None, map((task_vars or {}).get, names)), None)
        try:
            return self._meet(arguments, has_become_password=bool(become_password))
        except (RefusedError, ValueError) as error:
            raise AnsibleActionFail(f"{error}. Nothing has been changed on the host.") from None

    def _meet(self, arguments: Mapping[str, t.Any], *, has_become_password: bool) -> dict[str, t.Any]:
        option = self._connection.get_option
        administrator = option("remote_user") or ""
        contact.check_administrator(
            administrator, [item["name"] for item in arguments["administrators"] if item.get("state") != "absent"]
        )
        host, common_args = option("host"), option("ssh_common_args") or ""
        options = [*shlex.split(common_args), *shlex.split(option("ssh_extra_args") or "")]
        if option("private_key_file"):
            options += ["-i", str(option("private_key_file"))]
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
            self._agree(client.alias, offered, accepted=arguments["accept"] or self._task.check_mode)
        if not known and self._task.check_mode:
            return {**result, "msg": f"would pin the host key {offered} in {files[0]}; who gets in is seen once it is pinned"}
        if not known:
            pin(Path(files[0]), contact.known_hosts_line(client.alias, offered))
        target = replace(target, options=(*shlex.split(result["common_args"]), *options))
        return {**result, **self._way_in(target, administrator, arguments["user"], has_become_password)}

    def _agree(self, name: str, offered: HostKey, *, accepted: bool) -> None:
        """Trust on first use is a person's decision."""
        self._display.display(shown_line(f"{name} shows the host key {offered}"))
        if accepted:
            return
        question = f"Compare it {contact.ON_ITS_CONSOLE}.\nIs this the right host key for {name}? (yes/no) "
        try:
            answer = self._display.prompt_until(question).decode(errors="replace").strip().lower()
        except (AnsiblePromptNoninteractive, AnsiblePromptInterrupt):
            raise RefusedError(
                f"the host key of {name} is unknown: found {offered}; expected its fingerprint in "
                "bootstrap_host_key_fingerprint, or a person at the terminal, or 'bootstrap_accept_host_key: true'. "
                f"Read it {contact.ON_ITS_CONSOLE}"
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
                "found no program 'sshpass' on the controller; this ansible-core needs it to log in with a password. Install it "
                "(apt install sshpass), or use ansible-core 2.19 or newer, or give the host a key"
            )


def read_pins(client: Client, ports: list[int]) -> tuple[Pins, list[str]]:
    """What is pinned for the host under any of its names, and the files that were read; the first is the one to pin in."""
    files = [str(Path(name).expanduser()) for name in client.known_hosts]
    if not files or files[0] in ("none", "/dev/null"):
        raise RefusedError(
            f"UserKnownHostsFile: found {files[0] if files else 'nothing'}; expected a file to pin host keys in; correct "
            "ansible_ssh_common_args or the ssh client's configuration"
        )
    listing = ""
    for path in (path for path in files if Path(path).is_file()):
        for name in aliases(client, ports):
            command = ["ssh-keygen", "-F", name, "-f", path]
            listing += subprocess.run(command, check=False, capture_output=True, text=True, timeout=30).stdout
    return contact.parse_known_hosts(listing), files


def find(client: Client, targets: Sequence[Target], pins: Pins) -> tuple[Target, HostKey]:
    """The first port on which an SSH server answers, and the key that it shows there."""
    failures: dict[int, str] = {}
    for target in targets:
        try:
            if not client.proxied:
                read_banner(client.hostname, target.port, target.timeout)
            key = ask_for_key(target, contact.host_key_algorithms(pins.keys))
        except OSError as error:
            failures[target.port] = str(error.strerror or error)
            continue
        if key:
            return target, key
        failures[target.port] = "the SSH server shows no key that the controller's client understands"
    raise AnsibleConnectionFailure(no_answer(client.hostname, failures))


def ask_for_key(target: Target, algorithms: str) -> HostKey | None:
    """The key that the host shows for these algorithms, seen the way a login would see it, jump hosts included."""
    with tempfile.TemporaryDirectory() as folder:
        seen = Path(folder, "known_hosts")
        into = ("-o", f"UserKnownHostsFile={seen}", "-o", f"HostKeyAlgorithms={algorithms}")
        done = run([*target.ssh(*ASK_FOR_KEY, *into), target.host, "true"], target.timeout)
        keys = contact.parse_known_hosts(seen.read_text(encoding="utf-8")).keys if seen.is_file() else ()
    if keys:
        return keys[0]
    if "no matching host key" in done.stderr:
        return None
    lines = done.stderr.strip().splitlines()
    raise OSError(lines[-1] if lines else f"ssh ended with {done.returncode}")


def try_login(target: Target, user: str, password: str | None) -> tuple[subprocess.CompletedProcess[str], bool]:
    """One fresh login that only looks around, and whether it needed the password."""
    probe = [target.host, f"sh -c {shlex.quote(contact.PROBE)}"]
    if password is None:
        return run([*target.ssh("-o", "BatchMode=yes", "-l", user), *probe], target.timeout), False
    with tempfile.TemporaryDirectory() as folder:
        # ssh asks this program for the password. The password itself is in its environment, which only its owner can read.
        program = Path(folder, "askpass")
        program.write_text(ASKPASS, encoding="utf-8")
        program.chmod(0o700)
        asking = {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "RESEARCH_SERVER_PASSWORD": password}
        how = ("-o", "NumberOfPasswordPrompts=1", "-o", "PreferredAuthentications=publickey,password,keyboard-interactive")
        done = run([*target.ssh(*how, "-l", user), *probe], target.timeout, {**os.environ, **asking})
        return done, Path(f"{program}.asked").exists()


def run(command: list[str], timeout: int, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=6 * timeout,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, "", f"no answer within {6 * timeout} s")


def pin(path: Path, line: str) -> None:
    """Add a line; other hosts are pinned in the same file at the same time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        text = stream.read()
        stream.write(line if not text or text.endswith("\n") else f"\n{line}")
