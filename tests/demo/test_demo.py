# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` from beginning to end, then a lab's own repository against the same servers, then `make demo-down`.

The tests build on each other, in this order: one demo is up at a time.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "demo"), str(ROOT / "tests" / "artifact")]
import artifact  # noqa: E402
import lab  # noqa: E402
import proof  # noqa: E402
import web_door  # noqa: E402
import web_proof  # noqa: E402

RELEASES = ("debian12", "debian13")


def run(*command: object, cwd: Path = ROOT, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def demo():
    """The demo's own output; it stops with an error if a second run changes anything or a proof fails.

    With the web door, which comes last: all before it is what is there without it.
    """
    # The tests never ask the official sites.
    output = run("make", "demo", "LAB_MIRROR=local", "DEMO_WEB=1")
    print(output)
    yield output
    # It removes the whole test bed, where others may be at work.
    if not os.environ.get("DEMO_STAYS"):
        run("make", "demo-down")
        assert not left()


def left():
    """What the demo and the test bed have not removed."""
    containers = run("docker", "ps", "--all", "--quiet", "--filter", "label=org.openlab.research-server=testbed").split()
    return [*containers, *(path for path in (lab.WORK, lab.HOSTS_FILE, lab.GENERATED) if path.exists())]


@pytest.fixture
def host(demo, request):
    return next(host for host in lab.known_hosts() if host.name.startswith(request.param))


def test_the_demo_reports_every_proof_and_how_to_go_on(demo):
    assert demo.count("✓") == len(proof.PROOFS) * len(RELEASES) + len(web_proof.PROOFS)
    assert all(word in demo for word in ("log in", "JupyterLab", web_door.page("ada"), "/etc/hosts", "make demo-down"))


@pytest.mark.parametrize("host", RELEASES, indirect=True)
@pytest.mark.parametrize("check", proof.PROOFS, ids=lambda check: check.__name__)
def test_proof(host, check):
    print(check(host))


@pytest.mark.parametrize("host", RELEASES[-1:], indirect=True)
@pytest.mark.parametrize("check", web_proof.PROOFS, ids=lambda check: check.__name__)
def test_web_proof(host, check):
    print(check(host))


@pytest.fixture(scope="module")
def our_lab(demo, tmp_path_factory):
    """A lab's own repository with the demo's servers in it, next to the installed artifact."""
    work = tmp_path_factory.mktemp("lab")
    installed = artifact.Installed.of(artifact.build(work), work / "collections")
    folder = work / "our-lab"
    installed.new_lab(folder)
    shutil.copy(lab.HOSTS_FILE, folder / "lab" / "hosts.yml")
    shutil.rmtree(folder / "lab" / "group_vars")
    shutil.copytree(lab.INVENTORY / "group_vars", folder / "lab" / "group_vars")
    shutil.copytree(lab.INVENTORY / "envs", folder / "lab" / "envs", dirs_exist_ok=True)
    return installed, folder


def test_a_labs_own_repository_finds_the_servers_as_they_should_be(our_lab):
    installed, folder = our_lab
    output = installed.run("ansible-playbook", "site.yml", "-i", "lab", cwd=folder).stdout
    assert set(re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)) == {
        ("debian12-demo", "0"),
        ("debian13-demo", "0"),
    }, output


def test_commands_reach_the_servers_on_the_port_to_which_they_moved(our_lab):
    installed, folder = our_lab
    for words in ("ping", "openlab.research_server.conda_env_info -b -a name=demo"):
        output = installed.run("ansible", "all", "-i", "lab", "-m", *shlex.split(words), cwd=folder).stdout
        assert output.count("SUCCESS") == len(RELEASES), output


def test_the_drift_command_of_the_artifact_says_clean(our_lab):
    installed, folder = our_lab
    command = installed.collection / "scripts" / "research-server-drift"
    installed.run(command, "-i", "lab", "--report", folder / "report.json", cwd=folder)
