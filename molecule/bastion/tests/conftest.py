# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People of the lab, each at a computer that has what the playbook client_config wrote for them, and their key."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import testinfra

PAIRS = {"debian12-bastion": "debian13-bastion-server", "debian13-bastion": "debian12-bastion-server"}
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")


class Person:
    """Somebody at a computer outside the lab. What is run there finds ssh set up as the guide for researchers says."""

    def __init__(self, computer, client):
        self.machine = machine = computer.machine
        self.home = f"/home/{client}"
        machine.check_output(f"id {client} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {client}")
        folders = f"{self.home}/.ssh {self.home}/.ssh/research-servers"
        machine.check_output(f"rm -rf {folders} && install -d -m 0700 -o {client} {folders}")
        self.client = client
        # The bastion sees each person at an address of their own, for whose failures nobody else is punished.
        lines = ["Include research-servers/ssh_config", "BatchMode yes", "ConnectTimeout 10", f"BindAddress {computer.address}"]
        self.put("config", "\n".join([*lines, ""]))

    def put(self, name, text):
        """A file below ~/.ssh that nobody else can read."""
        path = f"{self.home}/.ssh/{name}"
        self.machine.check_output("umask 077 && printf %%s %s > %s && chown %s %s", text, path, self.client, path)

    def run(self, command, seconds=60):
        return self.machine.run("runuser -u %s -- timeout %s bash -c %s", self.client, str(seconds), f"cd; {command}")


@pytest.fixture
def person(new_client):
    """Sit down as somebody: their folder, their key; `key` and `certificate` are files of the scenario."""

    def sit(name, key=None, certificate=None):
        found = Person(new_client(), f"at-home-{name}")
        for file in sorted((FOLDER / "clients" / name).iterdir()):
            found.put(f"research-servers/{file.name}", file.read_text())
        found.put("id_ed25519", (FOLDER / (key or name)).read_text())
        if certificate:
            found.put("id_ed25519-cert.pub", (FOLDER / f"{certificate}-cert.pub").read_text())
        return found

    return sit


@pytest.fixture
def server(host):
    """The server behind the bastion."""
    return testinfra.get_host(f"docker://{PAIRS[host.backend.get_hostname()]}")


@pytest.fixture
def again(server, tmp_path, ansible):
    """Apply the role sshd to the server behind the bastion again, with other variables; exit status and output."""

    def run(**variables):
        file = tmp_path / "variables.json"
        file.write_text(json.dumps(variables))
        return ansible("ansible-playbook", "-l", server.backend.get_hostname(), "-e", f"@{file}", "molecule/bastion/again.yml")

    return run


@pytest.fixture
def ansible():
    """Run one of Ansible's programs on the scenario's inventory; exit status and output."""

    def run(program, *arguments):
        done = subprocess.run(
            [program, "-i", str(Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent), *arguments],
            cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run
