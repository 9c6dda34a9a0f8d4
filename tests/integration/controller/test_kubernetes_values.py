# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook as a user meets it: an inventory and locks in, values and a build context out. No host is reached."""

from __future__ import annotations

import os
import subprocess
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import CondaPackage, Lock, PipPackage, digest_of
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.lock_file import write

ROOT = Path(__file__).resolve().parents[3]
NLP = {"channels": ["conda-forge"], "dependencies": ["tool"]}
JUPYTER = ["tool", {"pip": ["jupyterhub==5.5.0"]}]
VARIABLES: dict[str, t.Any] = {
    "accounts_administrators": [{"name": "ops"}],
    "accounts_researchers": [
        {"name": "ada"},
        {"name": "grace", "groups": ["students"]},
        {"name": "charles", "state": "absent"},
        {"name": "eve", "expires": "2020-01-01"},
    ],
    "conda_envs_environments": [{"name": "nlp", "src": "nlp.yml"}],
    "jupyter_packages": JUPYTER[:1],
    "jupyter_extensions": JUPYTER[1:],
    "jupyter_memory_max": "64G",
    "jupyter_group_limits": {"students": {"memory_max": "8G"}},
    "jupyterhub_client_id": "lab",
    # Nobody may open it: it would end up in a file.
    "jupyterhub_client_secret": "{{ lookup('ansible.builtin.file', '/nonexistent') }}",
    "jupyterhub_authorize_url": "https://id.lab.example/authorize",
    "jupyterhub_token_url": "https://id.lab.example/token",
    "jupyterhub_userdata_url": "https://id.lab.example/userinfo",
    "miniconda_version": "py312_26.7.1-1",
    "kubernetes_host": "hub.lab.example",
    "kubernetes_image": "registry.lab.example/nlp",
    "kubernetes_contact_email": "ops@lab.example",
}

Run = Callable[..., subprocess.CompletedProcess[str]]


def lock(path: Path, definition: dict[str, t.Any], pip: tuple[PipPackage, ...] = ()) -> None:
    url = "https://conda.anaconda.org/conda-forge/noarch/tool-1.0-0.conda"
    specification = parse(definition, {}, ("conda-forge",))
    write(
        path,
        Lock(
            platform="linux-64",
            conda_version="24.7.1",
            specification=digest_of(specification, Settings()),
            channels=specification.channels,
            specs=tuple(specification.conda),
            conda=(CondaPackage("tool", "1.0", "0", 0, "conda-forge", url, "a" * 64, "b" * 32, noarch="generic"),),
            pip=pip,
        ),
    )


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    (folder / "envs").mkdir(parents=True)
    (folder / "envs/nlp.yml").write_text(yaml.safe_dump(NLP))
    lock(folder / "envs/nlp.linux-64.lock.json", NLP)
    hub = PipPackage("jupyterhub", "5.5.0", "jupyterhub-5.5.0-py3-none-any.whl", (f"sha256:{'c' * 64}",))
    lock(folder / "envs/jupyter.linux-64.lock.json", {"dependencies": JUPYTER}, (hub,))
    return folder


@pytest.fixture
def run(lab: Path) -> Run:
    def once(*arguments: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
        told = {key: value for key, value in {**VARIABLES, **variables}.items() if value is not None}
        hosts = {"all": {"vars": told, "children": {"jupyterhub": {"hosts": {"gpu-01": None}}}}}
        (lab / "hosts.yml").write_text(yaml.safe_dump(hosts))
        return subprocess.run(
            ["ansible-playbook", "-i", str(lab / "hosts.yml"), "openlab.research_server.kubernetes_values", *arguments],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return once


def test_values_and_image_come_from_the_inventory(run: Run, lab: Path) -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    made = lab / "kubernetes"
    values = yaml.safe_load((made / "values.yml").read_text())
    login = values["hub"]["config"]["GenericOAuthenticator"]
    assert (login["allowed_users"], login["admin_users"]) == (["ada", "grace"], ["ops"])
    assert values["singleuser"]["memory"] == {"limit": "64G", "guarantee": "1G"}
    assert values["custom"]["researchServer"]["limits"] == {"grace": {"mem_limit": "8G"}}
    recipe = (made / "image/Dockerfile").read_text()
    assert "b27f60ab63e77eeab50a5417c989120f767e863df32400190d4c7262369f8695" in recipe
    assert "#" + "b" * 32 in (made / "image/nlp/explicit.txt").read_text()
    assert f"{values['singleuser']['image']['name']}:{values['singleuser']['image']['tag']}" in done.stdout
    assert "changed=0" in run().stdout


def test_check_mode_writes_nothing(run: Run, lab: Path) -> None:
    assert "changed=1" in run("--check", "--diff").stdout
    assert not (lab / "kubernetes").exists()


def test_another_image_has_another_tag_and_no_old_file(run: Run, lab: Path) -> None:
    run()
    values = lab / "kubernetes/values.yml"
    before = yaml.safe_load(values.read_text())["singleuser"]["image"]["tag"]
    (lab / "kubernetes/image/left").write_text("of another run")
    assert run(kubernetes_base_packages=["curl", "tini"]).returncode == 0
    assert yaml.safe_load(values.read_text())["singleuser"]["image"]["tag"] != before
    assert not (lab / "kubernetes/image/left").exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"kubernetes_host": None}, "expected the name that people open"),
        ({"kubernetes_server": "gpu-99"}, "found 'gpu-99'; expected a host of the inventory"),
        ({"kubernetes_architecture": "aarch64"}, "there is no lock"),
        ({"kubernetes_environment": "vision"}, "found vision; expected one of conda_envs_environments: nlp"),
        ({"jupyterhub_client_id": None}, "jupyterhub_client_id: found nothing; expected the provider"),
        ({"jupyterhub_users": ["eve", "charles"]}, "found nobody who is present and has not expired"),
        ({"conda_envs_channel_priority": "strict"}, "the specification has changed since it was locked"),
        ({"accounts_researchers": [{"name": "ada", "expires": "soon"}]}, "expected dates and limits"),
        ({"jupyter_extensions": []}, "environment 'jupyter'"),
        ({"miniconda_version": "py312_1.0-0"}, "miniconda_checksum: found none"),
        ({"conda_envs_channel_alias": "https://ada:secret-word@lab.example"}, "credentials in its URL"),
        ({"kubernetes_contact_email": None}, "expected the address that Let's Encrypt writes to"),
        ({"jupyter_memory_max": "64 lots"}, "jupyter_memory_max"),
    ],
    ids=str,
)
@pytest.mark.cases(4)
def test_bad_input_is_one_clear_message(run: Run, lab: Path, variables: dict[str, t.Any], message: str) -> None:
    done = run(**variables)
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    assert not (lab / "kubernetes").exists()
