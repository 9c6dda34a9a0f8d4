# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of playbooks/kubernetes_values.yml, built and run: it holds what a server has from the same lock."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import PipPackage, digest_of
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.lock_file import read, write

ROOT = "/opt/miniconda3"
LABEL = "org.openlab.research-server."
HUB = PipPackage(
    name="jupyterhub",
    version="5.5.0",
    file="jupyterhub-5.5.0-py3-none-any.whl",
    hashes=("sha256:2e38d1767742d41911cfc2160cad485eae2698f98ed291308c7d3be090c757a0",),
)
PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
LOCK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "locked.linux-64.lock.json")

pytestmark = pytest.mark.one_release


def run(*command, **environment):
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """A lock of JupyterLab's environment that needs no solver: what the other lock has, and JupyterHub without what it needs."""
    definition = {"dependencies": ["python=3.11", "pip", {"pip": ["jupyterhub==5.5.0"]}]}
    framework = tmp_path_factory.mktemp("envs") / "jupyter.linux-64.lock.json"
    specification = digest_of(parse(definition, {}, ("conda-forge",)), Settings())
    write(
        framework,
        dataclasses.replace(read(LOCK), specification=specification, pip=(HUB,), variables=(("LAB_DATA", "/srv/data"),)),
    )
    mirror = json.loads((PROJECT / ".cache/mirror/mirror.json").read_text())
    return {
        "jupyter_packages": definition["dependencies"][:2],
        "jupyter_extensions": definition["dependencies"][2:],
        "jupyter_lock": str(framework),
        "miniconda_base_url": "http://mirror:8080/miniconda",
        "miniconda_installer": mirror["installer"],
        "miniconda_checksum": mirror["checksum"],
        "jupyterhub_client_secret": "hidden-word",
        **{f"jupyterhub_{name}": f"https://id.lab.example/{name}" for name in ("authorize_url", "token_url", "userdata_url")},
        "jupyterhub_client_id": "lab",
        "accounts_administrators": [{"name": "ops"}],
        "accounts_researchers": [{"name": "ada"}],
        "kubernetes_environment": "locked",
        "kubernetes_host": "hub.lab.example",
        "kubernetes_image": "research-server/kubernetes",
        "kubernetes_https": "offload",
        "kubernetes_base_packages": ["curl", "tini"],
        "kubernetes_base_image": "research-server/debian13:test",
    }


@pytest.fixture(scope="module")
def image(host, variables, tmp_path_factory):
    place = tmp_path_factory.mktemp("kubernetes")
    told = {**variables, "kubernetes_server": host.backend.get_hostname(), "kubernetes_directory": str(place)}
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", json.dumps(told)]
    plain = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    made = run(*command, PROJECT / "playbooks/kubernetes_values.yml", **plain)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "nlp, plain: make an image of each" in " ".join(made.stdout.split())
    name = made.stdout.partition("docker build --tag ")[2].split()[0]
    # With the builder that every engine has; it reaches the mirror.
    built = run("docker", "build", "--network", "research-server", "--tag", name, place / "image", DOCKER_BUILDKIT="0")
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr
    yield name
    run("docker", "image", "rm", "--force", name)


def inside(image, *command):
    done = run("docker", "run", "--rm", "--network", "none", image, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_has_what_the_server_has(host, image):
    conda = (f"{ROOT}/bin/conda", "list", "--explicit", "--md5", "--prefix", f"{ROOT}/envs/locked")
    assert inside(image, *conda) == host.check_output(" ".join(conda)) + "\n"
    pip = (f"{ROOT}/envs/locked/bin/python", "-m", "pip", "freeze", "--all")
    assert inside(image, *pip).split() == host.check_output(" ".join(pip)).split()


def test_its_labels_name_the_locks(host, image, variables):
    found = json.loads(run("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image).stdout)
    assert found[f"{LABEL}lock"] == f"sha256:{hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    assert found[f"{LABEL}framework-lock"] == f"sha256:{hashlib.sha256(Path(variables['jupyter_lock']).read_bytes()).hexdigest()}"
    assert found[f"{LABEL}environment"] == "locked"
    assert found[f"{LABEL}collection"] in (PROJECT / "galaxy.yml").read_text()
    # As the server itself says what it has.
    state = json.loads(host.check_output(f"cat {ROOT}/envs/locked/.conda_env.json"))
    assert found[f"{LABEL}digest"] == state["digest"]


def test_it_runs_without_root_and_what_it_runs_is_not_its_own(image):
    assert inside(image, "id", "-u").strip() == "1000"
    assert inside(image, "find", ROOT, "/usr/local", "-writable", "!", "-type", "l", "-print", "-quit") == ""


def test_a_pod_can_start(image):
    program = json.loads(run("docker", "image", "inspect", "--format", "{{json .Config.Cmd}}", image).stdout)
    assert inside(image, "test", "-x", *program) == ""
    assert inside(image, "python", "-c", "import importlib.metadata as m; print(m.version('jupyterhub'))") == "5.5.0\n"


def test_no_secret_is_in_it(image):
    assert "hidden-word" not in run("docker", "history", "--no-trunc", image).stdout
    assert "hidden-word" not in run("docker", "image", "inspect", image).stdout
