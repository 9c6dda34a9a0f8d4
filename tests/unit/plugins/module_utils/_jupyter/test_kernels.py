# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shlex
import typing as t
from collections.abc import Mapping

import pytest
from ansible_collections.openlab.research_server.plugins.filter.conda_kernels import conda_kernels
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernels import (
    files,
    is_ours,
    kernel_name,
    will_have,
)


@pytest.mark.parametrize(
    ("install", "remove", "now", "expected"),
    [
        ([], [], True, True),
        ([], [], False, False),
        (["ipykernel 7.4.0 0 c"], [], False, True),
        (["ipykernel 7.4.0 0 c"], ["ipykernel 6.31.0 0 c"], True, True),
        ([], ["ipykernel 6.31.0 0 c"], True, False),
        (["conda-forge::ipykernel>=6"], [], False, True),
        (["pip: ipykernel==6"], [], False, True),
        (["ipykernel-extras 1 0 c"], [], False, False),
    ],
)
def test_a_plan_tells_whether_there_will_be_a_kernel(install: list[str], remove: list[str], now: bool, expected: bool) -> None:
    assert will_have("ipykernel", {"install": install, "remove": remove}, now) is expected


def test_the_files_of_a_kernel() -> None:
    made = files("/k/nlp", {"name": "nlp", "prefix": "/opt/it's/envs/nlp", "display_name": None}, "/opt/mini")
    kernel = json.loads(made["kernel.json"])
    assert kernel["argv"] == ["/bin/bash", "/k/nlp/start", "-f", "{connection_file}"]
    assert kernel["display_name"] == "nlp"
    assert "'/opt/it'\"'\"'s/envs/nlp'" in made["start"]
    # What lies in the folder of a notebook is not looked at.
    command = shlex.split(made["start"].splitlines()[-1])
    assert command[:3] == ["exec", "$prefix/bin/python", "-c"]
    assert command[-1] == "$@"
    compile(command[3], "launch", "exec")
    assert is_ours(made["kernel.json"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"metadata": null}', '{"metadata": {"other": 1}}'])
def test_a_kernel_of_somebody_else(text: str) -> None:
    assert not is_ours(text)


def test_kernel_names_are_what_jupyter_takes() -> None:
    assert kernel_name("C++_Lab") == "c--_lab"


def test_environments_become_kernels() -> None:
    plan = {"action": "create", "reasons": [], "install": ["x"], "remove": []}
    environments: list[Mapping[str, t.Any]] = [
        {"name": "a", "display_name": "A"},
        {"name": "b", "kernel": False},
        {"name": "c", "state": "absent"},
    ]
    made: list[Mapping[str, t.Any]] = [
        {"name": item["name"], "prefix": f"/{item['name']}", "plan": plan} for item in environments
    ]
    kept = {"install": ["x"], "remove": []}
    assert conda_kernels(environments, made) == [{"name": "a", "display_name": "A", "prefix": "/a", "plan": kept}]
    assert conda_kernels(environments, made, kernels=False) == []


def test_a_kernel_of_an_environment_that_failed_stays_with_what_there_is():
    environments = [{"name": "bad"}, {"name": "good"}]
    failed = {"name": "bad", "failed": True}
    nothing = {"install": [], "remove": []}
    for made in ([failed], [{"failed": True}], []):
        assert conda_kernels(environments, made, True, "/opt/c/") == [
            {"name": name, "display_name": name, "prefix": f"/opt/c/envs/{name}", "plan": nothing} for name in ("bad", "good")
        ]
