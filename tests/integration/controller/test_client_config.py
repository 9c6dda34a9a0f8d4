# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a user meets it: an inventory in, folders out. The hosts' answers are given; no host is reached."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
TOLD = {"ports": [2222], "host_keys": [KEY], "host_certificates": []}
INVENTORY = {
    "all": {
        "vars": {
            "accounts_administrators": [{"name": "ops"}],
            "accounts_researchers": [
                {"name": "ada", "groups": ["couriers"]},
                {"name": "grace", "state": "present"},
                {"name": "charles", "state": "absent"},
            ],
            "sshd_agent_forwarding_groups": "{{ ['couriers'] }}",
        },
        "children": {
            "bastion": {"hosts": {"login.lab.example": {"ansible_host": "192.0.2.1"}}},
            "jupyter": {"hosts": {"gpu-01.lab.example": {"jupyter_ports": {"grace": 21001}}}},
            "research_servers": {
                "hosts": {
                    "gpu-01.lab.example": {"ansible_port": 2300},
                    "cpu-01.lab.example": {
                        "client_config_hostname": "203.0.113.9",
                        "client_config_alias": "cpu",
                        "client_config_jump_host": "",
                        "accounts_researchers": [{"name": "dan"}],
                    },
                }
            },
        },
    }
}

Run = Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(INVENTORY))
    task = {
        "openlab.research_server.client_config": {
            "directory": str(tmp_path / "clients"),
            "servers": "{{ dict(ansible_play_hosts | product([told])) }}",
        },
        "run_once": True,
    }
    play = {"hosts": "all", "gather_facts": False, "vars": {"told": TOLD}, "tasks": [task]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))

    def once(*arguments: str) -> dict[str, t.Any]:
        done = subprocess.run(
            ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"), *arguments],
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
            capture_output=True,
            text=True,
            check=False,
        )
        hosts = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"][0]["hosts"]
        return t.cast("dict[str, t.Any]", next(iter(hosts.values())))

    return once


def entry(folder: Path, host: str) -> dict[str, str]:
    done = subprocess.run(["ssh", "-F", str(folder / "ssh_config"), "-G", host], check=True, capture_output=True, text=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


def test_an_inventory_becomes_folders(run: Run, tmp_path: Path) -> None:
    clients = tmp_path / "clients"
    planned = run("--check", "--diff")
    assert planned["changed"]
    assert not clients.exists()
    made = run()
    assert made["people"] == ["ada", "dan", "grace", "ops"]
    assert made["files"] == planned["files"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in clients.glob("*")} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in clients.glob("*/*")} == {0o600}

    gpu, door, cpu = (entry(clients / "ada", name) for name in ("gpu-01", "login.lab.example", "cpu"))
    assert [gpu[key] for key in ("hostname", "port", "user", "proxyjump", "forwardagent")] == [
        *("gpu-01.lab.example", "2300", "ada", "login", "yes")
    ]
    assert (door["hostname"], door["port"], "proxyjump" in door, door["forwardagent"]) == ("192.0.2.1", "2222", False, "no")
    assert cpu["hostname"] == "cpu"  # no account there
    cpu = entry(clients / "dan", "cpu")
    assert (cpu["hostname"], "proxyjump" in cpu) == ("203.0.113.9", False)
    assert entry(clients / "grace", "gpu-01-jupyter")["localforward"] == "[127.0.0.1]:21001 [127.0.0.1]:21001"
    assert "-jupyter" not in (clients / "ops" / "ssh_config").read_text()

    assert not run()["changed"]
    (clients / "ada" / "known_hosts").chmod(0o644)
    (clients / "ops").chmod(0o755)
    assert {Path(name).parent.name for name in run()["files"]} == {"ada", "ops"}
    assert not run()["changed"]


def test_a_bastion_that_is_left_out_is_missed(run: Run, tmp_path: Path) -> None:
    failed = run("--limit", "gpu-01.lab.example")
    assert "reached through 'login.lab.example', which is not among the servers of this run" in failed["msg"]
    assert not (tmp_path / "clients").exists()


def test_who_has_left_keeps_no_folder(run: Run, tmp_path: Path) -> None:
    clients = tmp_path / "clients"
    run()
    before = (clients / "grace" / "ssh_config").read_text()
    # Made for people whom the inventory does not have any more; or by somebody, and then nobody's business.
    for name, text in {"charles": "charles", "emmy": "emmy", "notes": "grace"}.items():
        (clients / name).mkdir()
        (clients / name / "ssh_config").write_text(before.replace("# For grace.", f"# For {text}."))
    (clients / "charles" / "known_hosts").write_text("x\n")
    (clients / "emmy" / "letter").write_text("x\n")
    planned = run("--check", "--diff")
    assert (planned["left"], planned["changed"], len(planned["diff"])) == (["charles", "emmy"], True, 3)
    assert (clients / "charles" / "known_hosts").exists()
    # `dan` has an account on a server that this run leaves out.
    assert run("--limit", "login.lab.example,gpu-01.lab.example")["left"] == ["charles", "emmy"]
    assert sorted(path.name for path in clients.iterdir()) == ["ada", "dan", "emmy", "grace", "notes", "ops"]
    assert [path.name for path in (clients / "emmy").iterdir()] == ["letter"]
    assert run()["left"] == []


def test_a_door_that_does_not_know_a_server_yet_is_told(run: Run) -> None:
    told = json.dumps({**TOLD, "settings": {"permitopen": ["gpu-01.lab.example:2300 x:22"]}})
    assert "warnings" not in run("-e", f'{{"told": {told}}}')
    told = told.replace("gpu-01", "gpu-02")
    (warning,) = run("-e", f'{{"told": {told}}}')["warnings"]
    assert "login.lab.example does not lead to gpu-01.lab.example yet" in str(warning)
