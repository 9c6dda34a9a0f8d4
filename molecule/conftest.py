# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What scenarios share: other people's machines to log in from, and another run of the role."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import os
import signal
import subprocess
from pathlib import Path

import once
import pytest
import testinfra
from controller import play
from debian_packages import need
from hosts.console import Console
from shell import TestbedError
from testinfra.backend import docker as by_docker

CONVERGE = "molecule/shared/converge.yml"
RUNNING = "systemctl is-system-running 2>/dev/null"
COUNTER = itertools.count(1)


def pytest_collection_modifyitems(config, items):
    """`make molecule-NAME` plays all, on both releases."""
    once.select(config, items)


class OpenConsole(by_docker.DockerBackend):
    """How testinfra comes to a test host: by a console that stays open."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.console = Console(self.name)

    def run(self, command, *arguments, **options):
        command = self.get_command(command, *arguments)
        done = self.console.run(command.encode()) if self.user is None else None
        return super().run(command) if done is None else self.result(done.code, command.encode(), done.output, done.errors)


# testinfra looks for it by this name.
by_docker.DockerBackend = OpenConsole


def folder():
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")


def name_of(host):
    return host.backend.get_hostname()


def address_of(name):
    return json.loads((folder() / "addresses.json").read_text())[name]


class Client:
    """Somebody else's machine: the other test host, from a network address of its own.

    The server counts failures by address. With an address for each client no test sees the penalties of another.
    """

    def __init__(self, machine, server, family=4):
        self.machine = machine
        self.server = server
        device = ipaddress.ip_interface(
            machine.check_output(f"ip -o -{family} address show dev eth0 scope global | awk 'NR == 1 {{print $4}}'")
        )
        own = int(device.ip) - int(device.network.network_address)
        if family == 4:
            self.address = str(device.network.broadcast_address - own * 256 - next(COUNTER))
        else:
            self.address = str(device.network.network_address + (own << 32) + (1 << 31) + next(COUNTER))
        self.on_device = f"{self.address}/{device.max_prefixlen} dev eth0"
        machine.check_output(f"ip address add {self.on_device}{' nodad' if family == 6 else ''}")

    def close(self):
        self.machine.run(f"ip address del {self.on_device}")

    def _key(self, name):
        text = (folder() / name).read_text()
        self.machine.check_output("mkdir -p /root/keys && umask 077 && printf %%s %s > /root/keys/%s", text, name)
        return f"/root/keys/{name}"

    def options(self, key=None, password=None, port=2222, agent="none"):
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 -o ServerAliveInterval=3"
        options += f" -o BindAddress={self.address} -o Port={port} -o IdentitiesOnly=yes -o IdentityAgent={agent}"
        if key:
            options += f" -i {self._key(key)}"
        if password is None:
            return f"{options} -o BatchMode=yes"
        return f"{options} -o PreferredAuthentications=password,keyboard-interactive -o NumberOfPasswordPrompts=1"

    def ssh(self, user, command="true", *, key=None, password=None, port=2222, more=""):
        """Log in and run the command; a password is typed if given."""
        ask = ""
        if password is not None:
            self.machine.check_output("printf '#!/bin/sh\\necho %%s\\n' %s > /root/ask && chmod 700 /root/ask", password)
            ask = "SSH_ASKPASS=/root/ask SSH_ASKPASS_REQUIRE=force "
        options = self.options(key, password, port)
        return self.machine.run(f"{ask}timeout 30 ssh {options} {more} {user}@{self.server} %s", command)

    def refused(self, *arguments, **options):
        """Whether the server talked to the client and then did not let it in."""
        done = self.ssh(*arguments, **options)
        return done.rc == 255 and "Permission denied (publickey)" in done.stderr

    def reaches(self, port=2222):
        """Whether the port answers."""
        probe = f"import socket; socket.create_connection(('{self.server}', {port}), 5, ('{self.address}', 0))"
        return self.machine.run("python3 -c %s", probe).rc == 0


@pytest.fixture(scope="session")
def chromium():
    """The program of that name, which root installs; others do without these tests."""
    try:
        need("chromium", "chromium")
    except TestbedError as error:
        pytest.skip(str(error))
    return "chromium"


@pytest.fixture
def new_client_on(host):
    """Make clients on any machine, over IPv4 or IPv6, each with an address of its own."""
    made = []

    def make(machine, family=4):
        # Read each time: a reboot may have given the server another address.
        if family == 4:
            server = address_of(name_of(host))
        else:
            server = next(address for address in host.check_output("hostname -I").split() if ":" in address)
        made.append(Client(machine, server, family))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def new_client(host, new_client_on):
    """Make clients, each with an address of its own."""
    release, rest = name_of(host).split("-", 1)
    peer = testinfra.get_host(f"docker://{'debian13' if release == 'debian12' else 'debian12'}-{rest}")
    return lambda: new_client_on(peer)


@pytest.fixture
def client(new_client):
    return new_client()


@pytest.fixture
def reboot(host):
    """Restart the host: files stay, and everything under /run and in the kernel's tables of this host is gone."""

    def run(console=host):
        """`console`: the host by another way than SSH, which comes back late."""
        name = name_of(host)
        docker("restart", name)
        before = address_of(name)
        now = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
        if now != before:
            # Another container has taken the address in between. Write the new one down, as a lab would.
            addresses, known_hosts = folder() / "addresses.json", folder() / "known_hosts"
            addresses.write_text(json.dumps({**json.loads(addresses.read_text()), name: now}))
            line = next(line for line in known_hosts.read_text().splitlines() if line.split()[0] == before)
            known_hosts.write_text(f"{known_hosts.read_text()}{line.replace(before, now)}\n")
        # The manager's bus comes up late; see tests/testbed/hosts/administrator.sh.
        console.check_output(
            f"for i in $(seq 120); do case $({RUNNING}) in running|degraded) exit;; esac; sleep 0.5; done; exit 1"
        )

    return run


def docker(*arguments):
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@pytest.fixture(scope="module")
def converge(host):
    """Apply the role again, over SSH, with other variables. Returns a function that returns the outcome."""

    def run(*arguments, playbook=CONVERGE, **variables):
        words, environment = playbook_run(host, arguments, playbook, variables)
        environment |= {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"}
        return Outcome(name_of(host), play(*words, environment=environment, seconds=300))

    return run


@pytest.fixture
def converge_until(host):
    """Apply the role again, and kill the controller as soon as a task begins. The function tells whether it did begin."""

    def run(task, **variables):
        words, environment = playbook_run(host, (), CONVERGE, variables)
        command = ["ansible-playbook", *words]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process:
            begun = any(task in line for line in process.stdout if line.startswith(("TASK ", "RUNNING HANDLER ")))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return begun

    return run


def playbook_run(host, arguments, playbook, variables):
    words = ["-i", os.environ["MOLECULE_INVENTORY_FILE"], "--limit", name_of(host), "--extra-vars", json.dumps(variables)]
    words += [*arguments, str(Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], playbook))]
    return words, {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}


class Outcome:
    """How a run went for one host."""

    def __init__(self, name, done):
        self.exit_code = done.returncode
        self.text = done.stdout + done.stderr
        report = json.loads(done.stdout[done.stdout.index("{") :])
        self.stats = report["stats"][name]
        results = [task["hosts"][name] for play in report["plays"] for task in play["tasks"] if name in task["hosts"]]
        self.results = [result for result in results if not result.get("skipped")]

    @property
    def ok(self):
        return not self.stats["failures"] and not self.stats["unreachable"]

    @property
    def changed(self):
        return self.stats["changed"]

    @property
    def message(self):
        return " ".join(
            str(result.get("msg", "")) for result in self.results if result.get("failed") or result.get("unreachable")
        )
