# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of each recorded machine the files are read, and what is decided and told is what this machine needs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import health
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.modules import nvidia_info
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor import judge
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia import plan as nvidia_plan
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia.wishes import Wishes
from ansible_collections.openlab.research_server.tests.data.recorded_gpus import USUAL_WISHES, Machine, machines, rpm, write

MACHINES = machines()


class Case(t.NamedTuple):
    root: Path
    info: dict[str, t.Any]
    planned: dict[str, t.Any]
    expected: dict[str, t.Any]


@pytest.fixture(params=MACHINES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    machine: Machine = MACHINES[request.param]
    write(machine, tmp_path)
    folders = nvidia_info.Folders(tmp_path, tmp_path / "sys", tmp_path / "proc")
    info = nvidia_info.read(folders, lambda *_argv: rpm(machine), ignored=[], available=False)
    wishes = t.cast(Wishes, USUAL_WISHES | machine.get("wishes", {}))
    return Case(tmp_path, info, nvidia_plan.plan(info, wishes), machine["expected"])


def told(sentences: list[str], parts: list[str]) -> bool:
    """Whether there are as many sentences as parts, each with its part."""
    return len(sentences) == len(parts) and all(part in sentence for sentence, part in zip(sentences, parts))


def test_what_is_there_is_found(case: Case) -> None:
    assert {gpu["address"]: gpu["architecture"] for gpu in case.info["gpus"]} == case.expected["gpus"]
    # Where nvidia-smi was recorded, this is what it said itself.
    assert case.info["driver"]["cuda"] == case.expected.get("cuda", "")
    assert told(case.info["health"]["next_boot"], case.expected.get("next_boot", []))


def test_what_is_decided_fits(case: Case) -> None:
    assert told(case.planned["problems"], case.expected.get("problems", []))
    assert case.expected.get("summary", "") in case.planned["summary"]
    assert {name: case.planned.get(name) for name in ("branch", "flavour")} == {
        name: case.expected.get(name) for name in ("branch", "flavour")
    }
    assert set(case.expected.get("missing", [])) <= set(case.planned.get("missing", []))
    assert case.planned.get("build", []) == case.expected.get("build", [])
    assert told([notice for notice in case.planned.get("notices", []) if "fabric" in notice], case.expected.get("notices", []))
    assert case.planned.get("reboot", False) is case.expected.get("reboot", False)


def test_audit_and_doctor_say_what_is_wrong_and_nothing_else(case: Case) -> None:
    host = Host(lambda *_argv: (1, "", ""), str(case.root))
    findings = [finding.found for finding in health.find(host, Declared()) if "GPU" in finding.name or "NVIDIA" in finding.name]
    assert told(sorted(findings), sorted(case.expected.get("audit", [])))
    severity = judge.gpu(case.info, ["nvidia"], required=False).severity
    assert severity == case.expected.get("doctor", judge.WARNING if case.expected.get("audit") else judge.OK)
