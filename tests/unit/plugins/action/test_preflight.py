# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a user meets it: through ansible-playbook."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

FACTS = {"distribution": "Debian", "distribution_major_version": "12", "architecture": "x86_64", "service_mgr": "systemd"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops@lab"
GOOD = {
    "accounts_administrators": [{"name": "ops", "keys": [KEY], "sudo_nopasswd": True}],
    "miniconda_version": "py311_24.7.1-0",
    "miniconda_checksum": "sha256:" + "0" * 64,
}
ROLES = ["accounts", "sshd", "fail2ban", "miniconda", "conda_envs", "jupyter", "nvidia"]


@pytest.fixture
def preflight(tmp_path):
    def run(variables: dict, facts: dict = FACTS, roles: list[str] = ROLES) -> tuple[int, str]:
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_facts": facts, **variables},
            "tasks": [{"openlab.research_server.preflight": {"roles": roles}}],
        }
        (tmp_path / "hosts").write_text("localhost\n")
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            ["ansible-playbook", "-i", str(tmp_path / "hosts"), str(tmp_path / "play.yml")],
            env={**__import__("os").environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_complete_inventory_passes(preflight):
    code, output = preflight(GOOD)
    assert code == 0, output


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"sshd_prot": 2222}, "did you mean 'sshd_port'", id="unknown variable"),
        pytest.param({"sshd_port": "door"}, "sshd_port", id="wrong type"),
        pytest.param({"miniconda_checksum": None}, "miniconda_checksum", id="no checksum"),
        pytest.param({"accounts_administrators": []}, "administrator", id="no administrator"),
        pytest.param({"accounts_administrators": [{"name": "ops", "keys": [], "sudo_nopasswd": True}]}, "key", id="no key"),
        pytest.param({"conda_envs_environments": [{"name": "x", "src": "no-such-file.yml"}]}, "no-such-file.yml", id="no file"),
        pytest.param({"jupyter_users": ["root"]}, "root", id="root"),
        pytest.param({"fail2ban_ignoreip": "{{ undefined_thing }}"}, "undefined_thing", id="undefined"),
    ],
)
def test_a_bad_value_stops_with_its_name(preflight, change, expected):
    code, output = preflight({key: value for key, value in {**GOOD, **change}.items() if value is not None})
    assert code == 2
    assert "nothing has been changed" in output
    assert expected in output


def test_an_unsupported_platform_stops(preflight):
    code, output = preflight(GOOD, facts={**FACTS, "distribution_major_version": "10"})
    assert code == 2
    assert "found Debian 10" in output


def test_all_problems_come_at_once(preflight):
    code, output = preflight({**GOOD, "sshd_prot": 1, "fail2ban_bantme": "1h"}, facts={**FACTS, "service_mgr": "runit"})
    assert code == 2
    assert all(part in output for part in ("3 problems", "sshd_prot", "fail2ban_bantme", "runit"))
