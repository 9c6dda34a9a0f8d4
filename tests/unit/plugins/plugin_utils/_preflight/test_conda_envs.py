# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import digest_of
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.conda_envs import check, gpu_needs, warnings

DEFINITION = {"channels": ["conda-forge"], "dependencies": ["a"]}


@pytest.mark.parametrize(
    ("environments", "expected"),
    [
        ([{"name": "a", "definition": DEFINITION}], None),
        ([{"name": "a", "src": "good.yml"}], None),
        ([{"name": "a", "state": "absent"}], None),
        ([{"name": "a", "definition": {"dependencies": ["a"]}}], None),
        ([{"name": "a", "src": "none.yml"}], "found no file"),
        ([{"name": "a", "src": "bad.yml"}], "bad.yml, line 2"),
        ([{"name": "a"}], "found none of"),
        ([{"name": "a", "src": "good.yml", "definition": DEFINITION}], "found 'src' and 'definition' of"),
        ([{"name": "a", "archive": "good.yml", "src": "good.yml"}], "found 'src' and 'archive' of"),
        ([{"name": "a", "archive": "good.yml"}], None),
        ([{"name": "a", "archive": "none.tar.gz"}], "found no file"),
        ([{"name": "a", "state": "rolled_back"}], None),
        ([{"name": "base", "definition": DEFINITION}], "installation itself"),
        ([{"name": "jupyter", "definition": DEFINITION}], "belongs to the role"),
        ([{"name": "jupyterhub", "definition": DEFINITION}], "belongs to the role 'jupyterhub'"),
        ([{"name": "a b", "definition": DEFINITION}], "a b"),
        ([{"name": "A", "definition": DEFINITION}, {"name": "a", "state": "absent"}], "found 2 environments"),
        ([{"name": "a", "definition": {**DEFINITION, "channels": ["defaults"]}}], "terms of service"),
        ([{"name": "a", "definition": {**DEFINITION, "dependencies": ["defaults::a"]}}], "terms of service"),
        ([{"name": "a", "definition": DEFINITION, "smoke": ["os; x"]}], "smoke"),
        ([{"name": "a", "definition": {**DEFINITION, "dependencies": [{"pip": ["-r none.txt"]}]}}], "none.txt"),
    ],
)
def test_environments_are_checked_before_the_first_change(
    tmp_path: Path, environments: list[dict[str, t.Any]], expected: str | None
) -> None:
    (tmp_path / "good.yml").write_text("channels: [conda-forge]\ndependencies: [a]\n")
    (tmp_path / "bad.yml").write_text("channels: [conda-forge]\ndependancies: [a]\n")
    variables = {"conda_envs_environments": environments, "conda_envs_dir": str(tmp_path), "conda_envs_channels": ["c"]}
    problems = check(variables)
    assert len(problems) == (expected is not None)
    assert expected is None or expected in problems[0]


def test_accepted_terms_of_service_are_no_problem() -> None:
    environments = [{"name": "a", "definition": {**DEFINITION, "channels": ["defaults"]}}]
    assert check({"conda_envs_environments": environments, "conda_envs_accept_anaconda_tos": True}) == []


SRC = {"name": "a", "src": "good.yml"}


@pytest.mark.parametrize(
    ("item", "policy", "lock", "expected"),
    [
        (SRC, "prefer", None, None),
        (SRC, "require", None, "there is no lock"),
        (SRC, "ignore", "{", None),
        (SRC, "prefer", "{", "good.linux-64.lock.json, line 1: invalid JSON"),
        (SRC, "require", "old", "the specification has changed since it was locked (dependencies: +a, -b)"),
        (SRC, "prefer", "old", None),
        (SRC, "require", "fitting", None),
        (SRC, "require", "other platform", "good.linux-aarch64.lock.json"),
        ({"name": "a", "definition": DEFINITION}, "prefer", None, None),
        ({"name": "a", "definition": DEFINITION}, "require", None, "there is no lock"),
        ({"name": "a", "lock": "good.linux-64.lock.json"}, "prefer", "old", None),
        ({"name": "a", "lock": "none.json"}, "prefer", None, "there is no lock"),
    ],
)
def test_locks_are_checked_before_the_first_change(
    tmp_path: Path, item: dict[str, t.Any], policy: str, lock: str | None, expected: str | None
) -> None:
    (tmp_path / "good.yml").write_text("channels: [conda-forge]\ndependencies: [a]\n")
    if lock is not None:
        name = "b" if lock == "old" else "a"
        specification = parse({"channels": ["conda-forge"], "dependencies": [name]})
        package = {"name": "a", "version": "1", "build": "0", "build_number": 0, "channel": "conda-forge", "sha256": "0" * 64}
        content = {
            "format": 1,
            "platform": "linux-64",
            "conda_version": "24.7.1",
            "specification": digest_of(specification, Settings()),
            "channels": ["conda-forge"],
            "specs": [name],
            "conda": [{**package, "url": "https://a.example/conda-forge/noarch/a-1-0.conda"}],
        }
        (tmp_path / "good.linux-64.lock.json").write_text("{" if lock == "{" else json.dumps(content))
    variables = {"conda_envs_environments": [item], "conda_envs_dir": str(tmp_path), "conda_envs_lock_policy": policy}
    architecture = "aarch64" if lock == "other platform" else "x86_64"
    values = {**variables, "ansible_facts": {"architecture": architecture}}
    problems = check(values)
    assert len(problems) == (expected is not None)
    assert expected is None or expected in problems[0]
    if not problems:
        # A lock that is there and is not followed is no secret.
        told = warnings(values)
        assert len(told) == (policy == "prefer" and lock == "old" and "src" in item)
        assert all(
            "good.linux-64.lock.json is not followed, each host solves: the specification has changed" in line for line in told
        )


def test_what_wrong_indentation_leaves_of_a_pip_section_is_told(tmp_path: Path) -> None:
    (tmp_path / "nlp.yml").write_text("channels: [conda-forge]\ndependencies:\n  - a\n  - pip:\n  - sacremoses==0.1.1\n")
    values = {"conda_envs_environments": [{"name": "nlp", "src": "nlp.yml"}], "conda_envs_dir": str(tmp_path)}
    values["ansible_facts"] = {"architecture": "x86_64"}
    assert check(values) == []
    assert warnings(values) == ["conda environment 'nlp': 'pip:' is empty: what pip should install has to be indented below it"]


@pytest.mark.parametrize(("value", "fits"), [("auto", True), ("none", True), ("12.8", True), ("12", False), ("newest", False)])
def test_a_cuda_is_a_version(value: str, fits: bool) -> None:
    problems = check({"conda_envs_cuda": value})
    assert bool(problems) is not fits
    assert fits or f"conda_envs_cuda: found '{value}'" in problems[0]


@pytest.mark.parametrize("policy", ["prefer", "ignore"])
def test_for_which_cuda_environments_are_is_known_before_they_are_built(tmp_path: Path, policy: str) -> None:
    file = {"channels": ["conda-forge"], "dependencies": ["a", "cuda-version=12.6", {"pip": ["torch==2.6.0+cu126"]}]}
    (tmp_path / "good.yml").write_text(json.dumps(file))
    package = {"name": "cuda-version", "version": "13.0", "build": "0", "build_number": 0, "channel": "c", "sha256": "0" * 64}
    wheel = {"name": "nvidia-cuda-runtime", "version": "13.0.48", "file": "f.whl", "hashes": [f"sha256:{'0' * 64}"]}
    content = {
        "format": 1,
        "platform": "linux-64",
        "conda_version": "24.7.1",
        "specification": digest_of(parse(file), Settings()),
        "channels": ["conda-forge"],
        "specs": ["a"],
        "conda": [{**package, "url": "https://a.example/c/noarch/cuda-version-13.0-0.conda"}],
        "pip": [wheel],
    }
    (tmp_path / "good.linux-64.lock.json").write_text(json.dumps(content))
    items = [SRC, {"name": "b", "archive": "b.tar.gz"}, {"name": "c", "state": "absent", "src": "good.yml"}]
    values = {"conda_envs_environments": items, "conda_envs_dir": str(tmp_path), "conda_envs_lock_policy": policy}
    found = gpu_needs({**values, "ansible_facts": {"architecture": "x86_64"}})
    assert [name for name, _needs in found] == [SRC["name"]]
    assert [need.cuda for need in found[0][1]] == ([(13, 0), (13, 0)] if policy == "prefer" else [(12, 6), (12, 6)])
