# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a user meets it: one ansible-playbook run in which every host is a case."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

FACTS = {
    "distribution": "Debian",
    "distribution_major_version": "12",
    "os_family": "Debian",
    "architecture": "x86_64",
    "service_mgr": "systemd",
}
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


def play(folder, playbook, *arguments, **environment):
    """What a run in this folder prints, whose inventory is hosts.yml."""
    return subprocess.run(
        ["ansible-playbook", "-i", "hosts.yml", *arguments, playbook],
        cwd=folder,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def told(folder, playbook, *arguments):
    """The same, as data."""
    output = play(folder, playbook, *arguments, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_FORKS="2")
    return json.loads(output[output.index("{") :])


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
    return told(folder, "play.yml")["plays"][0]["tasks"][0]["hosts"]


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
    report = told(tmp_path, "openlab.research_server.site")
    gate = [task["hosts"]["gate"] for play in report["plays"] for task in play["tasks"] if "gate" in task["hosts"]]
    assert "did you mean 'bastion'?" in gate[-1]["msg"]
    assert report["stats"]["gate"]["failures"] == 1
    # Never a part of it: its first play would not have looked at that host.
    torn = [task["hosts"]["torn"] for play in report["plays"] for task in play["tasks"] if "torn" in task["hosts"]]
    assert "in the group 'unmanaged' and in sshd; expected it in one or the other" in torn[-1]["msg"] and len(torn) == 1
    assert not any("printer" in task["hosts"] for play in report["plays"] for task in play["tasks"])


SEALED = """
accounts_administrators:
  - name: ops
    password: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      3030
"""
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
TYPO = "did you mean 'conda_envs_dir'?"


@pytest.fixture
def lab(tmp_path):
    """This machine as a host on which nothing is done: one of its variables is wrong. JupyterLab has no lock."""
    variables = {**LOCAL, "conda_envs_dri": "x", "jupyter_lock": "/nowhere/jupyter.lock.json"}
    inventory = {"conda_envs": {"hosts": {"server": variables}}, "jupyter": {"hosts": {"server": None}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    return tmp_path


def test_a_refused_value_is_told_and_nothing_beside_it(lab):
    output = play(lab, "openlab.research_server.site", ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
    # ansible-core 2.19 prints a message twice by itself: as an error, and with the result.
    told_by_ansible = 2 if "[ERROR]" in output else 1
    assert output.count(TYPO) == told_by_ansible
    assert "ansible_distribution" not in output


def test_a_lock_can_be_made_although_it_is_required(lab):
    require = ("-e", "jupyter_lock_policy=require")
    refused = play(lab, "openlab.research_server.site", *require)
    assert "there is no lock /nowhere/jupyter.lock.json" in refused
    output = play(lab, "openlab.research_server.lock", *require)
    assert TYPO in output and "there is no lock" not in output


def test_of_a_host_that_nobody_has_met_is_told_what_does_not_depend_on_it(tmp_path):
    placeholder = [{"name": "ops", "keys": ["ssh-ed25519 REPLACE-ME ops@controller"]}]
    good = {name: value for name, value in GOOD.items() if name != "facts"}
    hosts = {
        "good": {**good, "sshd_port": "{{ 2222 if ansible_facts['architecture'] == 'x86_64' else 2223 }}"},
        "placeholder": {**good, "accounts_administrators": placeholder},
        "typo": {**good, "sshd_port": "{{ ansible_facts['architecture'] }}", "sshd_prot": 1},
        "sealed": {name: value for name, value in good.items() if name != "accounts_administrators"},
        # The lock of the one role, and the installer of the other, depend on the architecture.
        "slips": {**good, "jupyter_memory_max": "64 GB", "miniconda_base_url": "mirror/x"},
        "unlisted": {name: value for name, value in good.items() if name != "miniconda_checksum"}
        | {"miniconda_version": "py399_1.0-0"},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "sealed.yml").write_text(SEALED)
    task = {"openlab.research_server.preflight": {"roles": ROLES, "unmet": True}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    found = told(tmp_path, "play.yml")["plays"][0]["tasks"][0]["hosts"]
    assert not found["good"].get("failed"), found["good"]["msg"]
    assert "the placeholder 'REPLACE-ME'" in found["placeholder"]["msg"]
    # Nobody has given the vault's password: no fact will help.
    assert "accounts_administrators: cannot be evaluated: " in found["sealed"]["msg"]
    assert "missing required" not in found["sealed"]["msg"]
    assert "2 problems with slips" in found["slips"]["msg"], found["slips"]["msg"]
    assert "jupyter_memory_max: found '64 GB'" in found["slips"]["msg"] and "miniconda_base_url: found" in found["slips"]["msg"]
    assert not found["unlisted"].get("failed"), found["unlisted"]["msg"]
    assert "1 problem with typo" in found["typo"]["msg"] and "did you mean 'sshd_port'?" in found["typo"]["msg"]
