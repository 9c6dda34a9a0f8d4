# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab installs: the built collection, and the repository that it starts with."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a lab has no use for; a report or a virtual environment in an artifact would be somebody's private data.
UNWANTED = (
    "tests/",
    "molecule/",
    "bench/",
    ".cache/",
    ".venv/",
    ".ci/",
    ".config/",
    "inventories/demo",
    "requirements/",
    "Makefile",
)


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_", "PYTHONPATH"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def artifact(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    run("ansible-galaxy", "collection", "build", "--output-path", folder, ROOT, cwd=folder)
    return next(folder.glob("openlab-research_server-*.tar.gz"))


@pytest.fixture(scope="module")
def installed(artifact, tmp_path_factory) -> Path:
    """A collections folder with the artifact and, beside it, what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    run(
        "ansible-galaxy",
        "collection",
        "install",
        "--no-deps",
        "-p",
        folder,
        artifact,
        cwd=folder,
        ANSIBLE_HOME=str(folder / "home"),
    )
    for namespace in ("ansible", "community"):
        (folder / "ansible_collections" / namespace).symlink_to(
            ROOT / ".cache" / "collections" / "ansible_collections" / namespace
        )
    return folder


def test_the_artifact_holds_what_is_shipped_and_nothing_else(artifact):
    with tarfile.open(artifact) as archive:
        names = archive.getnames()
    assert not [name for name in names if name.startswith(UNWANTED)]
    tracked = run(
        "git", "ls-files", "roles", "plugins", "playbooks", "inventories/lab", "docs", "meta", "scripts", cwd=ROOT
    ).stdout.split("\n")
    assert not [name for name in tracked if name and name not in names and (ROOT / name).exists()]


def test_the_drift_command_is_executable(installed, tmp_path):
    command = installed / "ansible_collections" / "openlab" / "research_server" / "scripts" / "research-server-drift"
    assert "exit codes" in run(command, "--help", cwd=tmp_path).stdout


@pytest.fixture
def new_lab(installed, tmp_path) -> Path:
    lab = tmp_path / "our-lab"
    run(
        "ansible-playbook",
        "openlab.research_server.new_lab",
        "-i",
        "localhost,",
        "-e",
        f"new_lab_directory={lab}",
        cwd=tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    )
    return lab


def test_a_new_lab_knows_every_play_of_the_site(new_lab, installed):
    listed = run(
        "ansible-playbook", "site.yml", "-i", "lab", "--list-hosts", cwd=new_lab, ANSIBLE_COLLECTIONS_PATH=str(installed)
    )
    assert listed.stdout.count("play #") >= 8
    assert "gpu-01.lab.example" in listed.stdout
    assert "WARNING" not in listed.stdout + listed.stderr


def test_adding_a_server_is_adding_one_line(new_lab, installed):
    hosts = new_lab / "lab" / "hosts.yml"
    text = hosts.read_text(encoding="utf-8")
    hosts.write_text(
        text.replace("    gpu-02.lab.example:\n", "    gpu-02.lab.example:\n    gpu-03.lab.example:\n"), encoding="utf-8"
    )
    listed = run(
        "ansible-playbook", "site.yml", "-i", "lab", "--list-hosts", cwd=new_lab, ANSIBLE_COLLECTIONS_PATH=str(installed)
    )
    assert all("gpu-03.lab.example" in play for play in listed.stdout.split("play #")[1:])


def test_a_folder_that_holds_something_is_left_alone(new_lab, installed, tmp_path):
    before = (new_lab / "site.yml").stat().st_mtime_ns
    with pytest.raises(AssertionError, match="choose another one"):
        run(
            "ansible-playbook",
            "openlab.research_server.new_lab",
            "-i",
            "localhost,",
            "-e",
            f"new_lab_directory={new_lab}",
            cwd=tmp_path,
            ANSIBLE_COLLECTIONS_PATH=str(installed),
        )
    assert (new_lab / "site.yml").stat().st_mtime_ns == before


def test_the_example_as_shipped_is_refused_before_anything_is_touched(new_lab, installed):
    """Nobody must be able to apply the example's keys: they are placeholders, and the message says which."""
    check = new_lab / "check.yml"
    facts = {"distribution": "Debian", "distribution_major_version": "12", "architecture": "x86_64", "service_mgr": "systemd"}
    check.write_text(
        "- hosts: gpu-01.lab.example\n  connection: local\n  gather_facts: false\n"
        f"  vars: {{ansible_facts: {facts}}}\n"
        "  tasks: [{openlab.research_server.preflight: {roles: [accounts, sshd]}}]\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match=r"(?s)nothing has been changed.*ops"):
        run("ansible-playbook", "check.yml", "-i", "lab", cwd=new_lab, ANSIBLE_COLLECTIONS_PATH=str(installed))
