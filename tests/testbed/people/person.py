# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody's account on a converged test host, used over SSH as its owner uses it."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import typing as t
from pathlib import Path

from .ssh_tunnel import Login

LISTEN = """
import select, socket, sys
heard = []
for address in {addresses}:
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        server.bind((address, {port}))
        server.listen({backlog})
    except OSError:
        continue
    heard.append(server)
    print("on", address)
print("listening", flush=True)
while {backlog}:  # with none of them its queue is full at once, and stays so
    for server in select.select(heard, [], [])[0]:
        client, peer = server.accept()
        print("visit", peer[0], client.recv(1000), flush=True)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 8\\r\\n\\r\\nimpostor")
        client.close()
select.select([], [], [])
"""
CONNECT = """
import socket
try:
    socket.create_connection(("{address}", {port}), 3).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("silence")
"""


class Person:
    """An account on one server. ``host`` is the server as root sees it (testinfra); ``folder`` has keys and addresses."""

    def __init__(self, host: t.Any, name: str, folder: Path) -> None:
        self.host = host
        self.name = name
        self.folder = folder

    @property
    def login(self) -> Login:
        # Read each time: a reboot may have given the server another address.
        address = json.loads((self.folder / "addresses.json").read_text())[self.host.backend.get_hostname()]
        port = int(self.host.check_output("sed -n 's/^Port //p' /etc/ssh/sshd_config.d/00-research-server.conf | head -n 1"))
        return Login(address, self.name, self.folder / self.name, self.folder / "known_hosts", port=port)

    def run(self, command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """The outcome of a shell command on the server."""
        return self.login.run(command, seconds)

    def check(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, f"{self.name}: {command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def python(self, code: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """The outcome of a Python program on the server; it needs no file there."""
        return self.run(f"echo {_word(code)} | base64 -d | python3 -", seconds)

    def start(self, code: str) -> None:
        """Leave a Python program running on the server, as with nohup; `stop` ends it."""
        self.check(f"echo {_word(code)} | base64 -d > ~/.attack.py; setsid python3 ~/.attack.py </dev/null >~/.attack.out 2>&1 &")

    def listen(self, port: int, addresses: t.Sequence[str], backlog: int = 128) -> list[str]:
        """Leave a server running on the port of each address that can be had, and return those addresses.

        It writes down who comes, see `visitors`.
        """
        self.start(LISTEN.format(port=port, addresses=list(addresses), backlog=backlog))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            said = self.written().splitlines()
            if "listening" in said:
                return [line.split()[1] for line in said if line.startswith("on ")]
            time.sleep(0.1)
        raise AssertionError(f"{self.name} does not listen: {self.written()}")

    def visitors(self) -> list[str]:
        """Who has connected to the server that was left running."""
        return [line for line in self.written().splitlines() if line.startswith("visit ")]

    def written(self) -> str:
        """By the program that was left running."""
        return str(self.host.run(f"cat /home/{self.name}/.attack.out").stdout)

    def connect(self, port: int, address: str = "127.0.0.1") -> str:
        """What happens when the person connects: C(open), C(refused) or C(silence)."""
        return self.python(CONNECT.format(port=port, address=address)).stdout.strip()

    def stop(self) -> None:
        self.host.run(f"pkill -KILL -u {self.name} -f [.]attack.py")
        self.host.run(f"rm -f /home/{self.name}/.attack.py /home/{self.name}/.attack.out")

    @property
    def port(self) -> int:
        """Of the person's JupyterLab."""
        return int(json.loads(self.host.file("/etc/lab-jupyter.json").content_string)["ports"][self.name])

    @property
    def token(self) -> str:
        return str(self.host.file(f"/var/lib/jupyter/{self.name}/token").content_string.strip())

    def main_pid(self) -> str:
        return str(self.host.check_output(f"systemctl show -p MainPID --value jupyter@{self.name}"))


def _word(code: str) -> str:
    return base64.b64encode(code.encode()).decode()
