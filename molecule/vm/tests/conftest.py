# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine, its power switch, and somebody who knocks at its ports all the time."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import testinfra
import yaml
from hosts import machines
from people.ssh_tunnel import Login
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
SSH = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")
MACHINE = f"{os.environ.get('VM_RELEASE', 'debian13')}-vm"
PORT = 2222
# Each instruction is emulated, and other tests may run beside.
BOOT_SECONDS = 900

# Asks each port again and again, and writes once a second how often each has let it in.
KNOCK = """
import collections, socket, sys, time
address, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
opened, rounds, written = collections.Counter(), 0, 0
while True:
    for port in ports:
        try:
            socket.create_connection((address, port), 0.2).close()
            opened[port] += 1
        except OSError:
            pass
    rounds += 1
    if time.monotonic() > written + 1:
        written = time.monotonic()
        print(rounds, *(f"{port}:{opened[port]}" for port in ports), flush=True)
"""


def address():
    return json.loads((SSH / "addresses.json").read_text())[MACHINE]


class Machine:
    """The machine, from outside."""

    port = PORT

    def login(self, user):
        return Login(address(), user, SSH / "id_ed25519", SSH / "known_hosts", self.port)

    def answers(self):
        return self.login("ops").run("true").returncode == 0

    def boots(self):
        return len(docker("exec", MACHINE, "sh", "-c", "cat /srv/boots || :").splitlines())

    def wait(self, boots):
        try:
            wait_until(lambda: self.boots() > boots, BOOT_SECONDS)
            wait_until(self.answers, BOOT_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; its console:\n{docker('logs', '--tail', '40', MACHINE)}") from None
        done = self.login("ops").run("systemctl is-system-running --wait", BOOT_SECONDS)
        assert done.stdout.strip() in ("running", "degraded"), done

    def reboot(self, parameters=""):
        """`parameters`: more of the kernel's, this time."""
        docker("exec", MACHINE, "sh", "-c", f"echo '{parameters}' > /srv/parameters")
        boots = self.boots()
        self.login("ops").run("sudo systemctl reboot")
        self.wait(boots)

    def cut_power(self):
        """It comes back at once."""
        boots = self.boots()
        docker("exec", MACHINE, "pkill", "-KILL", "qemu")
        self.wait(boots)


def docker(*arguments):
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def machine():
    """Switched on once, before the first test."""
    if machines.is_on(MACHINE):
        return Machine()
    addresses, known_hosts = SSH / "addresses.json", SSH / "known_hosts"
    before = address()
    now = machines.become(MACHINE)
    addresses.write_text(json.dumps({**json.loads(addresses.read_text()), MACHINE: now}))
    line = next(line for line in known_hosts.read_text().splitlines() if line.startswith(f"{before} "))
    known_hosts.write_text(f"{known_hosts.read_text()}{line.replace(before, now, 1)}\n")
    switched_on = Machine()
    switched_on.wait(0)
    return switched_on


@pytest.fixture(scope="session")
def host(machine):
    """The machine, from inside: as root, over SSH."""
    config = SSH / "config"
    options = (
        f"HostKeyAlias {address()}\nUserKnownHostsFile {SSH / 'known_hosts'}\nStrictHostKeyChecking yes\nIdentitiesOnly yes\n"
    )
    config.write_text(f"Host *\n{options}ConnectTimeout 60\n")
    key = str(SSH / "id_ed25519")
    return testinfra.get_host(f"ssh://ops@{address()}:{PORT}", ssh_config=str(config), ssh_identity_file=key, sudo=True)


@pytest.fixture(scope="session")
def ansible():
    """Run ansible or one of its siblings against the machine."""

    def run(program, *words, **variables):
        command = [program, "-i", str(SSH.parent / "inventory"), "-e", json.dumps(variables), *words]
        # Molecule stands in the scenario's folder, and wants colours where somebody reads them.
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False, cwd=ROOT, env=plain)

    return run


@pytest.fixture(scope="session")
def ask(ansible):
    """What a module of the collection says on the machine."""

    def run(module, **arguments):
        words = ("-b", "-m", f"openlab.research_server.{module}", "-a", json.dumps(arguments))
        done = ansible("ansible", MACHINE, *words, ansible_port=PORT)
        return yaml.safe_load(textwrap.dedent(done.stdout.partition("=>")[2]))

    return run


@pytest.fixture(scope="session")
def stage(ansible):
    """Begin a change that nobody is going to confirm, as a controller does that disappears."""

    def run(module, **arguments):
        words = ("-b", "-m", f"openlab.research_server.{module}", "-a", json.dumps({"undo_after": 3600, **arguments}))
        done = ansible("ansible", MACHINE, *words, ansible_port=PORT)
        assert "pending: true" in done.stdout, done

    return run


@pytest.fixture(scope="session")
def site(ansible):
    """Apply the site again, with other variables."""

    def run(*words, **variables):
        return ansible("ansible-playbook", "playbooks/site.yml", "-l", MACHINE, *words, **variables)

    return run


@pytest.fixture
def knocking():
    """Begin to knock; the function that comes back tells how often each port has opened since."""
    stranger = testinfra.get_host("docker://stranger-vm")
    stranger.check_output("printf %%s %s > /root/knock.py", KNOCK)

    def begin(*ports):
        words = " ".join(map(str, ports))
        stranger.check_output(f"setsid python3 /root/knock.py {address()} {words} </dev/null >/root/knocked 2>&1 &")

        def told():
            rounds, *counts = stranger.check_output("tail -n 1 /root/knocked").split()
            assert int(rounds) > 0
            return Counter({int(port): int(times) for port, times in (count.split(":") for count in counts)})

        wait_until(lambda: stranger.run("test -s /root/knocked").rc == 0)
        return told

    yield begin
    stranger.run("pkill -f /root/knock.py")
