# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of attackers and of researchers: containers on the test network, which no role has touched."""

from __future__ import annotations

import subprocess

import pytest
import testinfra

IMAGE = "research-server/debian13:test"
NETWORK = "research-server"


def new_machine(kind):
    """A machine that ends by itself should nobody come to remove it."""
    arguments = ["--rm", "--detach", "--network", NETWORK, "--cap-add", "NET_ADMIN", "--hostname", kind]
    arguments += ["--label", "org.openlab.research-server=testbed", "--entrypoint", "sleep", IMAGE, "1800"]
    return subprocess.run(["docker", "run", *arguments], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@pytest.fixture(scope="session")
def machines():
    """By kind: `attacker` and `researcher`."""
    made = {kind: new_machine(kind) for kind in ("attacker", "researcher")}
    yield {kind: testinfra.get_host(f"docker://{name}") for kind, name in made.items()}
    subprocess.run(["docker", "rm", "--force", *made.values()], check=False, capture_output=True, timeout=120)


@pytest.fixture
def visit(machines, new_client_on):
    """Make clients on the machine of that kind."""
    return lambda kind="attacker", family=4: new_client_on(machines[kind], family)


@pytest.fixture
def researcher(visit):
    return visit("researcher")
