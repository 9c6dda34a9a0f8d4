# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a user meets it: one ansible-playbook run in which every host is a case."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import yaml

FACTS = {"distribution": "Debian", "distribution_major_version": "12", "architecture": "x86_64", "service_mgr": "systemd"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops@lab"
GOOD = {
    "accounts_administrators": [{"name": "ops", "keys": [KEY], "sudo_nopasswd": True}],
    "miniconda_version": "py311_24.7.1-0",
    "miniconda_checksum": "sha256:" + "0" * 64,
    "facts": FACTS,
}
ROLES = ["accounts", "sshd", "fail2ban", "miniconda", "conda_envs", "jupyter", "nvidia"]

NULL = "null in the inventory"

# case: (what differs from a good inventory; None takes a variable away), what the message has to name
BAD = {
    "unknown_variable": ({"sshd_prot": 2222}, ["did you mean 'sshd_port'"]),
    "wrong_type": ({"sshd_port": "door"}, ["sshd_port"]),
    "no_checksum": ({"miniconda_checksum": None}, ["miniconda_checksum"]),
    "no_administrator": ({"accounts_administrators": []}, ["administrator"]),
    "no_key": ({"accounts_administrators": [{"name": "ops", "keys": [], "sudo_nopasswd": True}]}, ["key"]),
    "no_file": ({"conda_envs_environments": [{"name": "x", "src": "no-such-file.yml"}]}, ["no-such-file.yml"]),
    "root": ({"jupyter_users": ["root"]}, ["root"]),
    "undefined": ({"fail2ban_ignoreip": "{{ undefined_thing }}"}, ["undefined_thing"]),
    # All items of its list are comments.
    "nothing": ({"fail2ban_ignoreip": NULL}, ["fail2ban_ignoreip: found nothing (null)", "write '[]'"]),
    "platform": ({"facts": {**FACTS, "distribution_major_version": "10"}}, ["found Debian 10"]),
    "no_facts": ({"facts": {}}, ["gather_facts"]),
    "entry": (
        {"conda_envs_environments": [{"name": "x", "scr": "x.yml"}]},
        ["conda_envs_environments, entry x", "did you mean 'src'?"],
    ),
    "one_port_for_two": (
        {"sshd_port": 2300, "jupyter_users": ["ada"], "jupyter_ports": {"ada": 2300}},
        ["found 2300 for the JupyterLab"],
    ),
    "no_limit": ({"jupyter_memory_max": "64 GB"}, ["jupyter_memory_max: found '64 GB'; expected a size such as 64G"]),
    "several": (
        {"sshd_prot": 1, "fail2ban_bantme": "1h", "facts": {**FACTS, "service_mgr": "runit"}},
        ["3 problems", "sshd_prot", "fail2ban_bantme", "runit"],
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preflight")
    known = {name: value for name, value in GOOD.items() if name != "miniconda_checksum"} | {
        "miniconda_version": "py312_26.7.1-1"
    }
    hosts = {"good": GOOD, "known_release": known}
    for case, (change, _expected) in BAD.items():
        given = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
        hosts[case] = {name: None if value == NULL else value for name, value in given.items()}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_facts": "{{ facts }}"},
        "tasks": [{"openlab.research_server.preflight": {"roles": ROLES}}],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(folder / "hosts.yml"), str(folder / "play.yml")],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_FORKS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"][0]["hosts"]


def test_a_complete_inventory_passes(results):
    assert not results["good"].get("failed"), results["good"]["msg"]
    assert results["good"]["platform"] == "Debian 12: tested end to end"


def test_the_version_is_enough_of_a_release_that_the_role_knows(results):
    assert not results["known_release"].get("failed"), results["known_release"]["msg"]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_stops_with_its_name(results, case):
    message = results[case]["msg"]
    assert results[case]["failed"]
    assert "nothing has been changed" in message
    for part in BAD[case][1]:
        assert part in message


def test_the_site_names_a_host_that_no_role_reaches_and_leaves_out_what_is_unmanaged(tmp_path):
    inventory = {
        "all": {
            "children": {
                "accounts": {"children": {"bastion": {}}},
                "bastions": {"hosts": {"gate": {}}},
                "sshd": {"hosts": {"torn": {}}},
                "unmanaged": {"hosts": {"printer": {}, "torn": {}}},
            }
        }
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), "openlab.research_server.site"],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    report = json.loads(done.stdout[done.stdout.index("{") :])
    told = [task["hosts"] for play in report["plays"] for task in play["tasks"] if "gate" in task["hosts"]]
    assert "did you mean 'bastion'?" in told[-1]["gate"]["msg"]
    assert report["stats"]["gate"]["failures"] == 1
    # Never a part of it: its first play would not have looked at that host.
    torn = [task["hosts"]["torn"] for play in report["plays"] for task in play["tasks"] if "torn" in task["hosts"]]
    assert "in the group 'unmanaged' and in sshd; expected it in one or the other" in torn[-1]["msg"] and len(torn) == 1
    assert not any("printer" in task["hosts"] for play in report["plays"] for task in play["tasks"])
