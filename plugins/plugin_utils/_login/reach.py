# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host's SSH server answers, asked from the controller. Private to this collection."""

from __future__ import annotations

import errno
import os
import queue
import socket
import subprocess
import threading
import time
import typing as t
from collections.abc import Sequence
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from . import client as login_client
from .endpoint import Client, aliases, candidates, no_answer, parse_client, port_numbers, with_alias

BANNER_LIMIT = 8192
# A port that is dropped by a firewall must not cost its whole time, and a host that is as it was sees one connection.
HEAD_START_SECONDS = 0.5
# sshd takes less, unless its machine is very busy; and nobody wants to wait longer for one that is off.
RELOAD_SECONDS = 2.0


def endpoint(connection: t.Any, ports: list[t.Any], timeout: int) -> dict[str, t.Any]:
    """Where a host answers, as M(openlab.research_server.ssh_endpoint) returns it. `connection` is Ansible's own."""
    try:
        numbers = port_numbers(ports)
    except ValueError as error:
        raise AnsibleActionFail(str(error)) from None
    if connection.transport != "ssh":
        return {"found": False}
    host = connection.get_option("host")
    arguments = login_client.arguments(connection)
    client = read_client(host, arguments)
    tried = candidates(numbers, client.port)
    alias = pinned_name(client, tried)
    if client.proxied:
        port, failures = first_login(host, tried, arguments, alias, timeout)
    else:
        port, failures = answer_or_reload(client.hostname, tried, timeout)
    if port is None:
        raise AnsibleConnectionFailure(no_answer(client.hostname, failures))
    return {"found": True, "port": port, "common_args": with_alias(connection.get_option("ssh_common_args") or "", alias)}


def read_client(host: str, arguments: list[str]) -> Client:
    """What the ssh client's own configuration says about this host."""
    return parse_client(host, login_client.listing(host, arguments))


def pinned_name(client: Client, ports: list[int]) -> str:
    """The name under which the host's key is pinned: its plain name, unless it is only pinned for one of the ports."""
    files = [path for path in (Path(name).expanduser() for name in client.known_hosts) if path.is_file()]
    for name in aliases(client, ports):
        for path in files:
            found = subprocess.run(["ssh-keygen", "-F", name, "-f", str(path)], check=False, capture_output=True, timeout=30)
            if found.returncode == 0:
                return name
    return client.alias


def answer_or_reload(hostname: str, ports: Sequence[int], timeout: float) -> tuple[int | None, dict[int, str]]:
    """As first_answer(), once more after a moment if the host was there and refused: so it does while sshd reloads."""
    port, failures = first_answer(hostname, ports, timeout)
    if port is None and os.strerror(errno.ECONNREFUSED) in failures.values():
        time.sleep(RELOAD_SECONDS)
        port, failures = first_answer(hostname, ports, timeout)
    return port, failures


def first_answer(hostname: str, ports: Sequence[int], timeout: float) -> tuple[int | None, dict[int, str]]:
    """The port whose SSH server introduces itself first, and why others did not; each port has a head start before the next."""
    answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def ask(port: int) -> None:
        try:
            read_banner(hostname, port, timeout)
        except OSError as error:
            answers.put((port, str(error.strerror or error)))
        else:
            answers.put((port, ""))

    failures: dict[int, str] = {}
    asked = 0
    while len(failures) < len(ports):
        if asked < len(ports):
            # Nobody waits for those that are still silent at the end.
            threading.Thread(target=ask, args=(ports[asked],), daemon=True).start()
            asked += 1
        try:
            port, failure = answers.get(timeout=HEAD_START_SECONDS if asked < len(ports) else None)
        except queue.Empty:
            continue
        if not failure:
            return port, failures
        failures[port] = failure
    return None, {port: failures[port] for port in ports}


def read_banner(hostname: str, port: int, timeout: float) -> None:
    """Return once the identification string of an SSH server has come (RFC 4253 section 4.2); raise OSError otherwise."""
    deadline = time.monotonic() + timeout
    received = b""
    with socket.create_connection((hostname, port), timeout=timeout) as connection:
        while not any(line.startswith(b"SSH-") for line in received.split(b"\n")[:-1]):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or len(received) > BANNER_LIMIT:
                raise OSError("connected, but what answers is not an SSH server")
            connection.settimeout(remaining)
            try:
                chunk = connection.recv(256)
            except TimeoutError:
                raise OSError(f"connected, but no SSH banner within {timeout:g} s") from None
            if not chunk:
                raise OSError("connected, but the other side closed without an SSH banner")
            received += chunk


def first_login(
    host: str, ports: Sequence[int], arguments: list[str], alias: str, timeout: int
) -> tuple[int | None, dict[int, str]]:
    """The same for a host behind another one: the first port on which somebody can log in."""
    failures: dict[int, str] = {}
    for port in ports:
        try:
            log_in(host, port, arguments, alias, timeout)
        except OSError as error:
            failures[port] = str(error.strerror or error)
        else:
            return port, failures
    return None, failures


def log_in(host: str, port: int, arguments: list[str], alias: str, timeout: int) -> None:
    """Behind a jump host only ssh itself can tell whether the server answers; raise OSError if it does not."""
    command = ["ssh", *arguments, "-p", str(port), "-o", "BatchMode=yes", "-o", f"ConnectTimeout={timeout}"]
    command += ["-o", f"HostKeyAlias={alias}", host, "true"]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=4 * timeout,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"no login within {4 * timeout} s") from None
    if done.returncode != 0:
        raise OSError(login_client.reason(done))
