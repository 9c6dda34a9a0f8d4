# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments as their files say, used as researchers use them: by activation and as Jupyter kernels."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.lock_file import read

ROOT = "/opt/miniconda3"
KERNELS = "/usr/local/share/jupyter/kernels"

# Starts a kernel from its kernelspec as JupyterLab does, runs one line in it and prints what that printed.
RUN_IN_KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name=sys.argv[1], startup_timeout=60)
client.execute_interactive(sys.argv[2], timeout=60)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


@pytest.fixture(scope="module")
def packages(host):
    listing = json.loads(host.check_output(f"{ROOT}/bin/conda list -n nlp --json"))
    return {item["name"]: item for item in listing}


@pytest.mark.parametrize(
    ("name", "version", "channel"),
    [
        ("numpy", "2.", "conda-forge"),
        ("alpha", "1.1", "conda-forge"),
        ("pytorch", "2.0.1", "pytorch"),
        ("cowsay", "6.1", "pypi"),
    ],
)
def test_each_package_is_what_the_file_says(packages, name, version, channel):
    assert packages[name]["version"].startswith(version)
    assert packages[name]["channel"].endswith(channel)


def test_an_environment_is_used_by_its_name(host):
    line = "conda activate nlp && python -c 'import numpy, cowsay, os; print(numpy.__version__, os.environ[\"LAB_DATA\"])'"
    found = host.run("su - ada -c %s", f". {ROOT}/etc/profile.d/conda.sh && {line}")
    assert found.rc == 0, found.stderr
    assert found.stdout.split()[-1] == "/srv/data"


def test_what_stood_there_before_is_kept(host):
    assert host.check_output(f"ls {ROOT}/envs/.generations/nlp.adopted.1/conda-meta").count("alpha-2") == 1


def test_what_was_solved_once_is_on_every_host(host):
    lock = read(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "locked.linux-64.lock.json"))
    state = json.loads(host.check_output(f"cat {ROOT}/envs/locked/.conda_env.json"))
    assert state["digest"] == lock.digest()
    assert [item["name"] for item in state["conda"]] == [item.name for item in lock.conda]
    assert {"tool", "python"} <= {item.name for item in lock.conda}
    assert host.run(f"{ROOT}/envs/locked/bin/tool").rc == 0


def test_the_playbook_makes_the_same_lock_again(host, converge, tmp_path):
    """playbooks/lock.yml, as a lab runs it."""
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "locked.linux-64.lock.json")
    variables = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "molecule/shared/vars/ssh.yml")

    inventory = tmp_path / "groups.yml"
    inventory.write_text(json.dumps({"conda_envs": {"hosts": {host.backend.get_hostname(): None}}}))

    def lock():
        outcome = converge(
            "-i", str(inventory), "-e", f"@{variables}", playbook="playbooks/lock.yml", conda_envs_lock_only=["locked"]
        )
        assert outcome.ok, outcome.text
        return outcome.changed

    before = path.read_bytes()
    assert lock() == 0
    path.unlink()
    assert lock() == 1
    assert path.read_bytes() == before


def test_an_absent_environment_is_gone(host):
    assert host.check_output(f"ls -A {ROOT}/envs/.generations {ROOT}/envs").count("gone") == 0


def run_in_kernel(host, code, name="nlp"):
    command = 'cd && /opt/miniconda3/envs/nlp/bin/python -c "$0" "$1" "$2"'
    found = host.run("su ada -c %s -- %s %s %s", command, RUN_IN_KERNEL, name, code)
    assert found.rc == 0, found.stderr
    return found.stdout.strip()


def test_a_kernel_runs_in_its_environment_activated(host):
    values = "numpy.__version__, os.environ['CONDA_PREFIX'], os.environ['LAB_DATA'], shutil.which('pip')"
    code = f"import os, numpy, shutil; print({values})"
    version, prefix, data, pip = run_in_kernel(host, code).split()
    generation = host.check_output(f"readlink -f {ROOT}/envs/nlp")
    assert version.startswith("2.")
    assert (prefix, data, pip) == (generation, "/srv/data", f"{generation}/bin/pip")


def test_jupyter_sees_the_kernel(host):
    found = json.loads(
        host.check_output(f"{ROOT}/envs/nlp/bin/python -m jupyter_client.kernelspecapp list --json 2>/dev/null || true") or "{}"
    )
    specs = found.get("kernelspecs", {})
    assert specs["nlp"]["spec"]["display_name"] == "Language"
    assert "plain" not in specs


def test_only_kernels_of_the_lab_are_removed(host):
    assert host.check_output(f"ls {KERNELS}").split() == ["nlp", "own"]


def test_nothing_is_writable_for_others(host):
    assert host.check_output(f"find {ROOT}/envs {KERNELS} ! -type l -perm -o=w -print -quit") == ""
    assert host.check_output(f"find {ROOT}/envs {KERNELS} ! -user root -print -quit") == ""
