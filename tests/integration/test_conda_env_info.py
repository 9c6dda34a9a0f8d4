# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda_env_info against what a real conda and a real pip leave behind."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda


def look(conda: Conda, name: str = "", **options: t.Any) -> list[dict[str, t.Any]]:
    if name:
        options["name"] = name
    result = conda.run(module="conda_env_info", conda_root=str(conda.root), **options)
    assert not result.get("failed"), result["msg"]
    assert not result["changed"]
    found: list[dict[str, t.Any]] = result["environments"]
    return found


def test_packages_are_those_that_conda_lists(conda: Conda) -> None:
    pip = {"pip": ["--no-index", f"--find-links={conda.wheels}", "needy"]}
    conda.make("told", "python=3.11", "pip", pip, channels=["conda-forge"])
    (found,) = look(conda, "told", verify=True)
    listed = json.loads(conda.conda("list", "-n", "told", "--json"))
    assert {(item["name"], item["version"], item["build"]) for item in found["packages"]} == {
        (item["name"], item["version"], item["build_string"]) for item in listed
    }
    requested = {item["name"] for item in found["packages"] if item["requested"]}
    assert {"python", "pip", "needy"} <= requested
    assert "tiny" not in requested
    assert (found["kind"], found["managed"], found["drifted"], found["signs"]) == ("generation", True, False, [])
    assert 0 <= found["age_seconds"] < 3600
    assert found["verification"]["intact"], found["verification"]
    assert found["verification"]["hashed_files"] > 100


def test_damage_by_hand_is_found(conda: Conda) -> None:
    conda.make("hurt", "app=1")
    place = conda.environment("hurt") / "share/app"
    text = place.read_bytes()
    place.unlink()  # it is a hard link into the package cache
    place.write_bytes(text.upper())
    (conda.environment("hurt") / "share/lib").unlink()
    (found,) = look(conda, "hurt", packages=False, verify=True)
    assert [(item["path"], item["problem"]) for item in found["verification"]["problems"]] == [
        ("share/app", "altered"),
        ("share/lib", "missing"),
    ]
    assert not found["drifted"]


def test_an_installation_by_hand_is_drift(conda: Conda) -> None:
    made = conda.make("drifting", "lib=1.0")
    channel = f"file://{conda.channels}/lab"
    conda.conda("install", "-yq", "--no-pin", "-n", "drifting", "--override-channels", "-c", channel, "single")
    (found,) = look(conda, "drifting", check=True)
    assert found["digest"] == made["digest"]
    assert found["drift"] == [f"conda package single 1.0 0 file://{conda.channels}/lab was added"]


def test_environments_of_others_and_base(conda: Conda) -> None:
    conda.conda("create", "-yq", "-n", "own", "--override-channels", "-c", f"file://{conda.channels}/lab", "single")
    (conda.environment("half") / "conda-meta").mkdir(parents=True)
    found = {item["name"]: item for item in look(conda, packages=False)}
    assert (found["own"]["kind"], found["own"]["managed"]) == ("environment", False)
    assert (found["half"]["kind"], len(found["half"]["signs"])) == ("remains", 1)
    assert (found["base"]["kind"], found["base"]["prefix"]) == ("base", str(Path(conda.root).resolve()))
    (conda.environment("half") / "conda-meta").rmdir()
    conda.environment("half").rmdir()


def test_it_works_where_conda_does_not(conda: Conda) -> None:
    conda.make("alone", "lib=1.0")
    python = conda.root / "bin/python"
    python.rename(python.with_name("hidden"))
    try:
        (found,) = look(conda, "alone", verify=True)
        (base,) = look(conda, "base", packages=False, verify=True)
    finally:
        python.with_name("hidden").rename(python)
    assert found["verification"]["intact"]
    assert any(item["problem"] == "missing" for item in base["verification"]["problems"])


def test_an_environment_is_compared_with_a_specification(conda: Conda) -> None:
    made = conda.make("compared", "app=1", "lib>=1")
    definition = {"channels": ["lab", "other"], "dependencies": ["app=1", "lib>=1"]}
    (found,) = look(conda, "compared", definition=definition, channel_alias=f"file://{conda.channels}")
    assert found["comparison"] == {
        **{"digest": made["digest"], "built_from_it": True, "differs": False},
        **{"missing": [], "wrong": [], "extra": [], "undecided": ["lib>=1"]},
    }
    definition = {"channels": ["https://ada:hunter2@conda.example/lab"], "dependencies": ["app=2", "rare", "other::lib"]}
    (found,) = look(conda, "compared", definition=definition)
    place = f"file://{conda.channels}/lab"
    assert not found["comparison"].pop("built_from_it")
    assert found["comparison"].pop("digest") != made["digest"]
    assert found["comparison"] == {
        "differs": True,
        "missing": ["rare"],
        "wrong": [f"app=2: found conda package app 1.0 0 {place}", f"other::lib: found conda package lib 1.1 0 {place}"],
        "extra": [],
        "undecided": [],
    }
