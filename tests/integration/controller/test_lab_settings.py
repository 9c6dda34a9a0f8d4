# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new lab's ansible.cfg and its example inventory make of Ansible."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_a_python_that_somebody_has_put_into_the_path_is_not_taken(tmp_path: Path) -> None:
    """pyenv's are links to a program that ends with 127; others lack the distribution's modules, such as python3-apt."""
    shutil.copy(ROOT / "playbooks/files/new_lab/ansible.cfg", tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": {"ansible_connection": "local"}}}}))
    folder = tmp_path / "bin"
    folder.mkdir()
    for version in range(9, 20):
        (folder / f"python3.{version}").write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        (folder / f"python3.{version}").chmod(0o755)
    env = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    command = ["ansible", "all", "-m", "ping", "-e", "ansible_connection=local"]
    env["PATH"] = f"{folder}:{env['PATH']}"
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert '"ping": "pong"' in done.stdout, done.stdout + done.stderr


@pytest.fixture
def told(tmp_path: Path) -> t.Callable[..., str]:
    """The example's value of a variable, as Ansible's own commands have it on a server behind the bastion."""
    lab = tmp_path / "lab"
    shutil.copytree(ROOT / "inventories/lab", lab)
    servers = lab / "group_vars/gpu_servers.yml"
    servers.write_text(servers.read_text().replace("# ansible_ssh_common_args:", "ansible_ssh_common_args:"))

    def run(name: str, *arguments: str) -> str:
        command = ["ansible", "gpu-01.lab.example", "-i", str(lab), "-m", "debug", "-a", f"var={name}", "-o", *arguments]
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return str(json.loads(done.stdout[done.stdout.index("{") :])[name])

    return run


def test_commands_go_to_the_port_that_sshd_shall_have(told: t.Callable[..., str]) -> None:
    assert told("ansible_port") == "2222"
    assert told("ansible_port", "-e", "sshd_port=2300") == "2300"


def test_a_jump_leads_to_the_bastions_address_where_it_has_one(told: t.Callable[..., str], tmp_path: Path) -> None:
    assert told("ansible_ssh_common_args") == "-J ops@login.lab.example:2222"
    (tmp_path / "lab/host_vars").mkdir()
    (tmp_path / "lab/host_vars/login.lab.example.yml").write_text("ansible_host: 192.0.2.1\n")
    assert told("ansible_ssh_common_args") == "-J ops@192.0.2.1:2222"
