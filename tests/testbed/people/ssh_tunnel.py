# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in to a test host with the OpenSSH client, as a researcher does, and forward a port from it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ANSWER_SECONDS = 60.0


class TunnelError(Exception):
    """The tunnel did not open; the text is what ssh said."""


@dataclass(frozen=True)
class Login:
    """Whom to log in as, where, with which key; `host_key_alias` is the name in `known_hosts` if it is not `host`."""

    host: str
    user: str
    key: Path
    known_hosts: Path
    port: int = 22
    host_key_alias: str = ""

    def command(self, *arguments: str) -> list[str]:
        """An ssh command line that asks nothing, and reads neither the caller's configuration nor their agent."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ControlMaster": "no",
            "ControlPath": "none",
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": self.host_key_alias or self.host,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": str(self.key),
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        return ["ssh", "-F", "none", *words, "-p", str(self.port), "-l", self.user, *arguments]

    def run(self, command: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command on the host; its exit status is ssh's, 255 if the login failed (ssh(1))."""
        return subprocess.run(
            [*self.command("-T"), self.host, command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def free_port() -> int:
    """A port of this machine's loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def tunnel(login: Login, remote_port: int, remote_host: str = "127.0.0.1") -> Iterator[int]:
    """Forward a free local port to `remote_host`:`remote_port` as seen from the host, and yield the local port.

    Raises :class:`TunnelError` with what ssh said.
    """
    local = free_port()
    forward = f"127.0.0.1:{local}:{remote_host}:{remote_port}"
    command = login.command("-N", "-oExitOnForwardFailure=yes", "-L", forward)
    client = subprocess.Popen(
        [*command, login.host], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_until_open(client, local)
        yield local
    finally:
        # It has nothing to put in order, and a gentler signal can come just before it begins to wait for something else.
        client.kill()
        client.communicate(timeout=ANSWER_SECONDS)


def _wait_until_open(client: subprocess.Popen[str], port: int) -> None:
    """ssh listens once it is logged in."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        if client.poll() is not None:
            said = client.stderr.read().strip() if client.stderr else ""
            raise TunnelError(f"ssh ended with status {client.returncode}: {said}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TunnelError(f"ssh did not listen on port {port} within {ANSWER_SECONDS:g} s")
