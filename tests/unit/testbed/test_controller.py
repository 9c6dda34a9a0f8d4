# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of a loaded ansible-playbook have each its own outcome and settings, and share what is packed for hosts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from controller import play

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.assert: {that: word == 'right'}
    - ansible.builtin.command: {argv: [echo, "{{ word }}"], creates: /nowhere}
"""


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "play.yml").write_text(PLAY)
    environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_NOCOLOR": "1"}

    def ask(word: str, **more: str) -> subprocess.CompletedProcess[str]:
        words = ("-i", "here,", "-c", "local", "-e", f"word={word}", str(tmp_path / "play.yml"))
        return play(*words, environment={**environment, **more}, seconds=60)

    return ask


def test_each_has_its_own_outcome(run) -> None:
    assert [run(word).returncode for word in ("right", "wrong", "right")] == [0, 2, 0]


def test_each_environment_has_its_own_settings(run) -> None:
    assert "PLAY RECAP" in run("right").stdout
    assert "PLAY RECAP" not in run("right", ANSIBLE_STDOUT_CALLBACK="ansible.posix.json").stdout


def test_what_one_has_packed_the_next_finds(run, tmp_path: Path) -> None:
    seen = []
    for test in ("one", "another"):
        assert run("right", PYTEST_CURRENT_TEST=test).returncode == 0
        seen.append({path: path.stat().st_ino for path in tmp_path.glob("home/tmp/*/ansiballz_cache/ansible.modules.command*")})
    assert seen[0] and seen[0] == seen[1]
