# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meet a host over SSH: which key it shows, who gets in; and pin the key. Private to this collection."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure

from ...module_utils._host.refused import RefusedError
from . import first_contact as contact
from .client import reason
from .endpoint import Client, aliases, no_answer
from .first_contact import HostKey, Pins
from .reach import first_answer

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
    by_port = {target.port: target for target in targets}
    failures: dict[int, str] = {}
    while left := [port for port in by_port if port not in failures]:
        port: int | None = left[0]
        if not client.proxied:
            port, silent = first_answer(client.hostname, left, by_port[left[0]].timeout)
            failures |= silent
        if port is None:
            break
        try:
            key = ask_for_key(by_port[port], contact.host_key_algorithms(pins.keys))
        except OSError as error:
            failures[port] = str(error.strerror or error)
            continue
        if key:
            return by_port[port], key
        failures[port] = "the SSH server shows no key that the controller's client understands"
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
    raise OSError(reason(done))


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
