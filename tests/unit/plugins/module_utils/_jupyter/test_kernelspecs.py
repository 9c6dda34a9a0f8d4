# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernelspecs import MOST, SIZE_LIMIT, read_specs

GOOD = {"argv": ["R", "{connection_file}"], "display_name": "R", "language": "R"}


def put(prefix: Path, name: str, text: str) -> Path:
    path = prefix / "share/jupyter/kernels" / name / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_what_packages_bring_besides_pythons_own(tmp_path: Path) -> None:
    assert read_specs(str(tmp_path)) == ([], [])
    put(tmp_path, "python3", json.dumps(GOOD))
    put(tmp_path, "ir", json.dumps({**GOOD, "interrupt_mode": "signal", "unknown": 1, "env": {}}))
    put(tmp_path, "no name of a kernel", json.dumps(GOOD))
    (tmp_path / "share/jupyter/kernels/empty").mkdir()
    (spec,), problems = read_specs(str(tmp_path))
    assert (spec.name, spec.argv, spec.display_name, spec.language) == ("ir", ("R", "{connection_file}"), "R", "R")
    assert spec.rest == {"interrupt_mode": "signal"} and problems == []


def test_through_the_link_of_the_environment(tmp_path: Path) -> None:
    put(tmp_path / "stats.1", "ir", json.dumps(GOOD))
    (tmp_path / "stats").symlink_to("stats.1")
    assert [spec.name for spec in read_specs(str(tmp_path / "stats"))[0]] == ["ir"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[" * 20000, "no JSON"),
        ("[]", "no mapping"),
        ("{}", "'argv' is no list of words"),
        (json.dumps({**GOOD, "argv": "R"}), "'argv' is no list of words"),
        (json.dumps({**GOOD, "argv": [1]}), "'argv' is no list of words"),
        (json.dumps({**GOOD, "env": "x"}), "'env' or 'metadata' is no mapping"),
        (" " * (SIZE_LIMIT + 1), "ir/kernel.json"),
    ],
)
def test_one_that_is_none_keeps_no_other_back(tmp_path: Path, text: str, why: str) -> None:
    put(tmp_path, "ir", text)
    put(tmp_path, "julia-1.10", json.dumps(GOOD))
    found, problems = read_specs(str(tmp_path))
    assert [spec.name for spec in found] == ["julia-1.10"]
    assert len(problems) == 1 and why in problems[0] and "it is not offered" in problems[0]


def test_what_the_owner_of_an_environment_put_there(tmp_path: Path) -> None:
    secret = put(tmp_path / "elsewhere", "secret", json.dumps(GOOD))
    prefix = tmp_path / "prefix"
    put(prefix, "pipe", "").unlink()
    os.mkfifo(prefix / "share/jupyter/kernels/pipe/kernel.json")
    put(prefix, "file", "").unlink()
    (prefix / "share/jupyter/kernels/file/kernel.json").symlink_to(secret)
    (prefix / "share/jupyter/kernels/folder").symlink_to(secret.parent)
    found, problems = read_specs(str(prefix))
    assert found == [] and len(problems) == 3
    for number in range(MOST):
        put(prefix, f"a{number:02}", json.dumps(GOOD))
    found, problems = read_specs(str(prefix))
    assert len(found) == MOST and "at most" in problems[0]
