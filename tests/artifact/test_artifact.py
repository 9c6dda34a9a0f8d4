# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab installs: the built collection, and the repository that it starts with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from artifact import ROOT, Installed, build, run

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


@pytest.fixture(scope="module")
def artifact(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def installed(artifact, tmp_path_factory) -> Installed:
    return Installed.of(artifact, tmp_path_factory.mktemp("installed"))


class Started(t.NamedTuple):
    """A new lab, and what was said when it was."""

    folder: Path
    told: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def started(installed, tmp_path_factory) -> Started:
    folder = tmp_path_factory.mktemp("started") / "our-lab"
    return Started(folder, installed.new_lab(folder))


@pytest.fixture
def new_lab(started, tmp_path) -> Path:
    """As it was started: nothing in it knows where it is."""
    return Path(shutil.copytree(started.folder, tmp_path / "our-lab"))


def test_the_artifact_holds_what_is_shipped_and_nothing_else(artifact):
    with tarfile.open(artifact) as archive:
        names = archive.getnames()
    assert not [name for name in names if name.startswith(UNWANTED)]
    shipped = ("roles", "plugins", "playbooks", "inventories/lab", "docs", "meta", "scripts")
    tracked = run("git", "ls-files", *shipped, cwd=ROOT).stdout.splitlines()
    assert not [name for name in tracked if name not in names and (ROOT / name).exists()]


def test_the_drift_command_is_executable(installed, tmp_path):
    assert "exit codes" in run(installed.collection / "scripts" / "research-server-drift", "--help", cwd=tmp_path).stdout


def test_a_new_lab_has_the_command_which_finds_the_collection_from_every_folder(new_lab, installed, tmp_path):
    told = installed.run(new_lab / "research-server-drift", "--help", cwd=tmp_path)
    assert "exit codes" in told.stdout and not told.stderr
    # No role reaches it, so nothing is asked of this machine.
    hosts = "all: {hosts: {here: {ansible_connection: local}}}\n"
    (new_lab / "lab" / "hosts.yml").write_text(hosts, encoding="utf-8")
    # By the inventory that the lab's ansible.cfg names, with the playbook and the callback of the installed collection.
    with pytest.raises(AssertionError, match=r"failed +here +1 problem(?s:.*)found the host in no group"):
        installed.run(new_lab / "research-server-drift", "--report", tmp_path / "drift.json", cwd=tmp_path)
    assert (tmp_path / "drift.json").is_file()
    # What it tells people to type is what they have typed.
    report = json.loads((tmp_path / "drift.json").read_text(encoding="utf-8"))
    finding = {"role": "audit", "task": "keys", "items": ["x"], "diff": "-x\n", "hidden": False, "file": None, "line": None}
    report["hosts"]["here"].update(verdict="drift", errors=[], drift=[finding])
    (tmp_path / "drift.json").write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(AssertionError, match=f"if it is right: {new_lab}/research-server-drift accept -l here --topic keys"):
        installed.run(new_lab / "research-server-drift", "repair", "--report", tmp_path / "drift.json", cwd=tmp_path)


def test_a_new_lab_begins_without_a_warning_and_ends_with_every_step(started):
    told = started.told.stdout
    assert "WARNING" not in told + started.told.stderr
    steps = ["accounts.yml", "git init", "bootstrap", "doctor", "--check --diff", "client_config", "./research-server-drift"]
    assert sorted(steps, key=told.rindex) == steps


def test_a_lab_that_is_there_already_gets_the_command_and_nothing_else(installed, tmp_path):
    (tmp_path / "site.yml").write_text("mine\n", encoding="utf-8")
    playbook = "openlab.research_server.new_lab"
    options = ("-i", "localhost,", "--tags", "drift", "-e", f"new_lab_directory={tmp_path}")
    installed.run("ansible-playbook", playbook, *options, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["research-server-drift", "site.yml"]
    assert "exit codes" in installed.run(tmp_path / "research-server-drift", "--help", cwd=tmp_path).stdout


def test_a_new_lab_knows_every_play_of_the_site(new_lab, installed):
    listed = installed.run("ansible-playbook", "site.yml", "-i", "lab", "--list-hosts", cwd=new_lab)
    assert listed.stdout.count("play #") >= 8
    assert "gpu-01.lab.example" in listed.stdout
    assert "WARNING" not in listed.stdout + listed.stderr


def test_adding_a_server_is_adding_one_line(new_lab, installed):
    hosts = new_lab / "lab" / "hosts.yml"
    known = "    gpu-02.lab.example:\n"
    hosts.write_text(hosts.read_text(encoding="utf-8").replace(known, f"{known}    gpu-03.lab.example:\n"), encoding="utf-8")
    listed = installed.run("ansible-playbook", "site.yml", "-i", "lab", "--list-hosts", cwd=new_lab)
    plays = [play for play in listed.stdout.split("play #")[1:] if not re.search(r"\((drift|proxy|jupyterhub)\):", play)]
    # The last one is for hosts of which something was put aside.
    assert "hosts (0)" in plays.pop()
    assert len(plays) >= 10 and all("gpu-03.lab.example" in play for play in plays), (
        "all but that of the controller, and of the web door, for which nobody is named"
    )


@pytest.mark.parametrize(
    ("place", "tags"), [("our-lab", ()), ("our-lab", ("--tags", "drift")), ("~/full", ()), ("{tmp}/file", ())]
)
def test_a_place_that_will_not_do_is_refused(installed, tmp_path, monkeypatch, place, tags):
    (tmp_path / "full/lab").mkdir(parents=True)
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    options = ("-i", "localhost,", *tags, "-e", f"new_lab_directory={place.format(tmp=tmp_path)}")
    with pytest.raises(AssertionError, match="expected the absolute path of a folder that is empty"):
        installed.run("ansible-playbook", "openlab.research_server.new_lab", *options, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == ["file", "full"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["lab"]


def test_a_folder_that_holds_something_is_left_alone(new_lab, installed):
    before = (new_lab / "site.yml").stat().st_mtime_ns
    with pytest.raises(AssertionError, match="choose another one"):
        installed.new_lab(new_lab)
    assert (new_lab / "site.yml").stat().st_mtime_ns == before


def test_the_example_as_shipped_is_refused_before_anything_is_touched(new_lab, installed):
    """Nobody must be able to apply the example's keys: they are placeholders, and the message says which."""
    facts = {"distribution": "Debian", "distribution_major_version": "12", "architecture": "x86_64", "service_mgr": "systemd"}
    (new_lab / "check.yml").write_text(
        "- hosts: gpu-01.lab.example\n  connection: local\n  gather_facts: false\n"
        f"  vars: {{ansible_facts: {facts}}}\n"
        "  tasks: [{openlab.research_server.preflight: {roles: [accounts, sshd]}}]\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match=r"(?s)nothing has been changed.*ops"):
        installed.run("ansible-playbook", "check.yml", "-i", "lab", cwd=new_lab)
