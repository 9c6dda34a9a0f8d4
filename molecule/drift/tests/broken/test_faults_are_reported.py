# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
import yaml

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
FAULTS: list[dict[str, str]] = yaml.safe_load((SCENARIO / "vars" / "faults.yml").read_text(encoding="utf-8"))["__faults"]
UNDECLARED: list[dict[str, str]] = yaml.safe_load((SCENARIO / "vars" / "undeclared.yml").read_text(encoding="utf-8"))[
    "__undeclared"
]
# That of the controller has a scenario of its own.
ROLES = {path.name for path in (Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "roles").iterdir()} - {"drift"}
# All that a run which only looks must leave alone.
STATE = """
find /etc /opt/miniconda3/envs/lab/conda-meta /usr/local/share/jupyter /home -xdev -type f ! -path '*/.ansible/*' \
  ! -path '*/.local/*' ! -path '*/.ipython/*' ! -path '*/.cache/*' -print0 | sort -z | xargs -0 sha256sum
for unit in fail2ban jupyter@alice jupyter@bob ssh; do systemctl is-active $unit; systemctl is-enabled $unit; done
true
"""


@pytest.fixture(scope="module")
def looked(drift: t.Any, servers: dict[str, t.Any]) -> t.Any:
    """One run over all hosts, and their state before and after it."""
    before = {name: server.check_output(STATE) for name, server in servers.items()}
    run = drift()
    return run, before, {name: server.check_output(STATE) for name, server in servers.items()}


@pytest.fixture(scope="module")
def run(looked: t.Any) -> t.Any:
    return looked[0]


@pytest.fixture
def name(host: t.Any) -> str:
    return str(host.backend.get_hostname())


def reported(run: t.Any, name: str, role: str) -> list[dict[str, t.Any]]:
    return [entry for entry in run.report["hosts"][name]["drift"] if entry["role"] == role]


def test_there_are_faults_in_every_role_and_ten_at_the_least() -> None:
    assert len(FAULTS) >= 10
    assert {fault["role"] for fault in FAULTS} == ROLES - {"audit"}


def test_the_exit_code_says_drift(run: t.Any) -> None:
    assert run.exit_code == 2, run.output
    assert list(run.verdicts.values()) == ["drift", "drift"]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["name"] for fault in FAULTS])
def test_the_fault_is_reported(run: t.Any, name: str, fault: dict[str, str]) -> None:
    told = ["\n".join([entry["task"], *entry["items"], entry["diff"] or ""]) for entry in reported(run, name, fault["role"])]
    assert fault["says"] in "\n".join(told)


@pytest.mark.parametrize("thing", UNDECLARED, ids=[thing["name"] for thing in UNDECLARED])
def test_what_nobody_declared_is_reported(run: t.Any, name: str, thing: dict[str, str]) -> None:
    told = [entry for entry in reported(run, name, "audit") if entry["task"] == thing["topic"]]
    assert any(thing["says"] in "\n".join([*entry["items"], entry["diff"] or ""]) for entry in told), told


def test_the_audit_reports_nothing_else(run: t.Any, name: str) -> None:
    """What the faults of the roles bring along, such as a file that everybody can write, may be told by both."""
    says = [thing["says"] for thing in UNDECLARED + FAULTS]
    others = [entry for entry in reported(run, name, "audit") if not any(word in str(entry) for word in says)]
    assert [(entry["task"], entry["items"]) for entry in others] == []


def test_each_difference_names_the_line_of_its_task(run: t.Any, name: str) -> None:
    for entry in run.report["hosts"][name]["drift"]:
        line = Path(entry["file"]).read_text(encoding="utf-8").splitlines()[entry["line"] - 1]
        # A finding has its topic in place of the task's name.
        assert line.strip() == f"- name: {'Look for what nobody declared' if entry['role'] == 'audit' else entry['task']}"


@pytest.mark.parametrize("role", sorted(ROLES - {"nvidia", "audit"}))
def test_no_role_reports_more_tasks_than_it_has_faults(run: t.Any, name: str, role: str) -> None:
    tasks = [entry["task"] for entry in reported(run, name, role)]
    assert len(tasks) <= sum(fault["role"] == role for fault in FAULTS), tasks


def test_the_summary_names_each_host_and_each_role(run: t.Any, name: str) -> None:
    assert f"drift        {name}" in run.output
    assert all(f" {role}: " in run.output for role in ROLES)


def test_looking_changes_nothing(looked: t.Any) -> None:
    _run, before, after = looked
    assert after == before
