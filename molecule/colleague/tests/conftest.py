# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People with accounts on a converged server, each logged in with a key of their own: ada and carol work, bob attacks."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path

import pytest
import testinfra
from controller import play
from people.jupyter_api import Jupyter, wait_until_answers
from people.person import Person
from people.ssh_tunnel import tunnel

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SITE = "playbooks/site.yml"
PART = "molecule/colleague/roles.yml"
FOLDER = EPHEMERAL / "ssh"
SERVERS = sorted(json.loads((FOLDER / "addresses.json").read_text()))


@pytest.fixture(scope="module", params=SERVERS)
def host(request):
    """Each server as root on its console, whatever happens to the way in over SSH."""
    return testinfra.get_host(f"docker://{request.param}")


@pytest.fixture
def other(host):
    """The other server, for who comes from outside."""
    name = host.backend.get_hostname()
    return testinfra.get_host(f"docker://{next(server for server in SERVERS if server != name)}")


@pytest.fixture
def person(host):
    """Anybody's account by name."""
    return lambda name: Person(host, name, FOLDER)


@pytest.fixture
def ada(person):
    return person("ada")


@pytest.fixture
def bob(person):
    attacker = person("bob")
    yield attacker
    attacker.stop()


@pytest.fixture
def carol(person):
    return person("carol")


@pytest.fixture
def notebook(ada):
    """ada's JupyterLab through her tunnel."""
    with tunnel(ada.login, ada.port) as port:
        jupyter = Jupyter(f"http://127.0.0.1:{port}", ada.token)
        wait_until_answers(jupyter)
        yield jupyter


@pytest.fixture
def apply(host):
    """Apply the site to this server again, or only some roles of it. Returns a function that returns the outcome."""

    def run(*arguments, roles=(), tasks_from="main", **variables):
        name = host.backend.get_hostname()
        playbook = PART if roles else SITE
        variables |= {"roles_to_apply": list(roles), "roles_tasks_from": tasks_from} if roles else {}
        words = ["-i", str(EPHEMERAL / "inventory"), "--limit", name, "--extra-vars", json.dumps(variables)]
        root = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
        # One line for each message, however long it is, and wherever the run's configuration sends what failed.
        environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "COLUMNS": "100000"}
        done = play(*words, *arguments, str(root / playbook), environment=environment, seconds=600)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout + done.stderr)

    return run


@pytest.fixture
def apply_notebooks(apply):
    """Apply the roles that a change of notebooks or projects needs, in the same way."""
    return functools.partial(apply, roles=("accounts", "jupyter"), tasks_from="apply")
