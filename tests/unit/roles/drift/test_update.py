# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared at night: a whole generation of the lab's repository, or the one before."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.unit.roles.program import load

ROOT = Path(__file__).resolve().parents[4]
# What makes a virtual environment, as far as this program sees it. What is called in it writes down how.
PYTHON = """#!/bin/sh
case "$*" in
  -VV) cat "$(dirname "$0")/version" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$(dirname "$0")/pip" "$3/bin/python" && cp "$(dirname "$0")/galaxy" "$3/bin/ansible-galaxy" ;;
esac
"""
PIP = """#!/bin/sh
echo "pip $*" >> "LOG"
for file; do :; done
! grep -q broken "$file"
"""
GALAXY = """#!/bin/sh
echo "galaxy $*" >> "LOG"
for folder; do :; done
mkdir -p "$folder/ansible_collections/openlab/research_server/scripts"
touch "$folder/ansible_collections/openlab/research_server/scripts/research-server-drift"
"""


program = load("drift", "drift_update")


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.log = folder, folder / "state", folder / "log"
        self.work = folder / "work"
        self.state.mkdir()
        for name, text in (("python", PYTHON), ("pip", PIP), ("galaxy", GALAXY)):
            (folder / name).write_text(text.replace("LOG", str(self.log)))
            (folder / name).chmod(0o755)
        (folder / "version").write_text("Python 3.11\n")
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", self.work], check=True)
        self.commit(
            **{"requirements.txt": "ansible-core==2.19.14\n", "requirements.yml": "collections: []\n", "site.yml": "one\n"}
        )

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            (self.work / name).write_text(text)
        git = ["git", "-C", str(self.work), "-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message=x"], check=True)
        return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    def update(self, ref: str = "main") -> int:
        settings = {"repository": str(self.work), "ref": ref, "python": str(self.folder / "python")}
        (self.folder / "update.json").write_text(json.dumps(settings))
        return program.main([str(self.folder / "update.json"), str(self.state)])

    @property
    def current(self) -> Path:
        return (self.state / "current").resolve()

    def installs(self) -> int:
        return self.log.read_text().count("pip -I")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return Lab(tmp_path)


def test_a_commit_becomes_the_generation_in_use(lab):
    assert lab.update() == 0
    assert (lab.current / "lab/site.yml").read_text() == "one\n" and not (lab.current / "lab/.git").exists()
    assert (lab.current / "installed/venv/bin/python").exists()
    log = lab.log.read_text()
    assert "--only-binary :all: -r" in log and "galaxy collection install -r" in log
    commit = lab.commit(**{"site.yml": "two\n"})
    assert lab.update() == 0 and lab.current.name == commit
    assert (lab.current / "lab/site.yml").read_text() == "two\n"
    assert lab.installs() == 1, "the requirements are the same"


def test_nothing_is_done_twice(lab):
    lab.update()
    before = lab.current, (lab.current / "lab/site.yml").stat().st_ino
    assert lab.update() == 0
    assert (lab.current, (lab.current / "lab/site.yml").stat().st_ino) == before and lab.installs() == 1


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.yml"])
def test_other_requirements_are_installed_beside_the_old_ones(lab, name):
    lab.update()
    before = (lab.current / "installed").resolve()
    lab.commit(**{name: "# another\n"})
    assert lab.update() == 0
    assert (lab.current / "installed").resolve() != before and lab.installs() == 2
    assert before.exists(), "a run may still use it"
    lab.commit(**{"site.yml": "three\n"})
    assert lab.update() == 0 and not before.exists()
    assert len(list((lab.state / "generations").iterdir())) == 2


def test_another_python_is_another_installation(lab):
    lab.update()
    (lab.folder / "version").write_text("Python 3.12\n")
    assert lab.update() == 0 and lab.installs() == 2


def test_what_cannot_be_installed_leaves_the_last_one(lab, capsys):
    lab.update()
    before = lab.current, (lab.current / "installed").resolve()
    lab.commit(**{"requirements.txt": "broken\n"})
    for _night in range(2):
        assert lab.update() == 1
        assert (lab.current, (lab.current / "installed").resolve()) == before
    assert "ended with 1" in capsys.readouterr().err
    assert lab.installs() == 3, "it is tried again"
    lab.commit(**{"requirements.txt": "ansible-core==2.19.15\n"})
    assert lab.update() == 0 and lab.current != before[0]


def test_half_an_installation_is_none(lab):
    lab.update()
    installed = (lab.current / "installed").resolve()
    (installed / program.WHOLE).unlink()
    (installed / "half").touch()
    assert lab.update() == 0 and lab.installs() == 2 and not (installed / "half").exists()


def test_half_a_checkout_is_none(lab):
    lab.update()
    (lab.current / program.WHOLE).unlink()
    (lab.current / "lab/site.yml").write_text("half")
    assert lab.update() == 0 and (lab.current / "lab/site.yml").read_text() == "one\n"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.yml"])
def test_a_repository_that_pins_nothing_is_told_what_to_write(lab, capsys, name):
    (lab.work / name).unlink()
    lab.commit()
    assert lab.update() == 1 and f"found no {name} in the repository" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "what"), [("galaxy", "openlab.research_server"), ("python", "ansible-core")])
def test_requirements_without_what_runs_are_told_what_to_add(lab, capsys, name, what):
    old = {"galaxy": "touch ", "python": "ansible-galaxy"}[name]
    (lab.folder / name).write_text((lab.folder / name).read_text().replace(old, {"galaxy": ": ", "python": "other"}[name]))
    assert lab.update() == 1 and f"without {what}" in capsys.readouterr().err
    assert not (lab.state / "current").exists()


def test_a_repository_that_cannot_be_fetched_leaves_the_last_one(lab, capsys):
    lab.update()
    assert lab.update(ref="no-such-branch") == 1 and "ended with" in capsys.readouterr().err
    assert (lab.current / "lab/site.yml").exists()


def test_a_tag_can_be_compared_with(lab):
    first = lab.commit(**{"site.yml": "tagged\n"})
    subprocess.run(["git", "-C", str(lab.work), "tag", "v1"], check=True)
    lab.commit(**{"site.yml": "later\n"})
    assert lab.update(ref="v1") == 0 and lab.current.name == first


def test_git_connects_to_known_servers_with_the_deploy_key_alone(tmp_path):
    words = program.ssh({"GIT_CONFIG_GLOBAL": "/etc/research-server-drift/gitconfig"})
    assert words.startswith("ssh -F /dev/null -o UserKnownHostsFile=/etc/research-server-drift/known_hosts ")
    assert "StrictHostKeyChecking=yes" in words and " -i " not in words
    environment = {"GIT_CONFIG_GLOBAL": "/etc/x/gitconfig", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert " -i " not in program.ssh(environment)
    (tmp_path / "deploy_key").touch()
    assert program.ssh(environment).endswith(f" -i {tmp_path}/deploy_key")


def test_a_new_lab_pins_what_the_project_tests():
    pinned = (ROOT / "playbooks/files/new_lab/requirements.txt").read_text().splitlines()[-1]
    assert pinned in (ROOT / "requirements/dev.txt").read_text().splitlines()
    assert pinned in (ROOT / "roles/drift/files/drift_update.py").read_text()
