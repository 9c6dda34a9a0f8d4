# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several environments in one task, against a real conda: one question to the host, one result for each of them."""

from __future__ import annotations

import json
import re
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda


class Seen(t.NamedTuple):
    result: dict[str, t.Any]
    rounds: int
    text: str

    def of(self, name: str) -> dict[str, t.Any]:
        return next(item for item in self.result["environments"] if item["name"] == name)


def run(conda: Conda, environments: list[dict[str, t.Any]], *options: str, **common: t.Any) -> Seen:
    text = conda.ansible("conda_env", "-vvv", *options, environments=environments, **common)
    result, _end = json.JSONDecoder().raw_decode(text.partition(" => ")[2])
    return Seen(result, text.count("Using module file"), text)


def lab(*dependencies: str) -> dict[str, t.Any]:
    return {"channels": ["lab", "other"], "dependencies": list(dependencies)}


@pytest.fixture
def environments(tmp_path: Path) -> list[dict[str, t.Any]]:
    (tmp_path / "second.yml").write_text("channels: [lab]\ndependencies: [lib=1.1]\n")
    return [
        {"name": "several-1", "definition": lab("app=1"), "frozen": False},
        {"name": "several-2", "src": str(tmp_path / "second.yml")},
        {"prefix": str(tmp_path / "third"), "definition": {"dependencies": ["single"]}, "channels": ["lab"]},
        {"name": "several-4", "state": "absent"},
    ]


def test_one_round_trip_finds_all_that_are_as_they_should_be(conda: Conda, environments: list[dict[str, t.Any]]) -> None:
    common: dict[str, t.Any] = {"frozen": True, "frozen_message": "ask ada"}
    told = run(conda, environments, "--check", **common)
    made = run(conda, environments, **common)
    assert [item["plan"]["action"] for item in made.result["environments"]] == ["create", "create", "create", "none"]
    assert [item["plan"] for item in told.result["environments"]] == [item["plan"] for item in made.result["environments"]]
    assert made.result["changed"]
    assert "conda environment 'several-2' (2 of 4) ..." in made.text
    # What an environment says counts before what the task says.
    assert not (conda.environment("several-1") / "conda-meta/frozen").exists()
    assert "ask ada" in (conda.environment("several-2") / "conda-meta/frozen").read_text()
    again = run(conda, environments, **common)
    assert (again.result["changed"], again.rounds) == (False, 1)
    assert [item["plan"]["action"] for item in again.result["environments"]] == ["none"] * 4
    for before, after in zip(made.result["environments"], again.result["environments"]):
        assert (before["prefix"], before["generation"]) == (after["prefix"], after["generation"])
    # Only the one that somebody changed has a round trip of its own.
    channel = f"file://{conda.channels}/lab"
    conda.conda("install", "-y", "--no-pin", "-n", "several-1", "--override-channels", "-c", channel, "single")
    mended = run(conda, environments, "--diff", **common)
    assert mended.rounds == 2
    assert [item["changed"] for item in mended.result["environments"]] == [True, False, False, False]
    assert "-single 1.0 0" in mended.text
    gone = run(conda, [{"name": "several-1", "state": "absent"}, {"name": "several-2", "state": "absent"}])
    assert (gone.result["changed"], gone.rounds) == (True, 3)
    assert not conda.generations("several-")


def test_one_that_fails_does_not_keep_the_others_from_their_turn(conda: Conda, tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "not.yml")
    wanted = [
        {"name": "none-such", "definition": lab("no-such-package")},
        {"name": "unreadable", "src": str(tmp_path / "not.yml")},
        {"name": "what", "definition": lab("app=1"), "no_such_option": 1},
        {"name": "secret", "definition": {"channels": ["https://user:hunter2@127.0.0.1:9/lab"], "dependencies": ["app"]}},
        {"name": "good", "definition": lab("app=1")},
    ]
    conda.conda("create", "-y", "-n", "good", "--no-pin", "--override-channels", "-c", f"file://{conda.channels}/lab", "single")
    seen = run(conda, wanted)
    assert re.search(r"^\[WARNING\]: \S+/good was not made by this module", seen.text, re.MULTILINE)
    assert "localhost | FAILED!" in seen.text
    assert [item.get("failed", False) for item in seen.result["environments"]] == [True, True, True, True, False]
    for text in ("'none-such'", "'unreadable'", "no_such_option", "'secret'"):
        assert text in seen.result["msg"]
    assert "hunter2" not in json.dumps(seen.result["msg"])
    assert conda.packages("good") == {"app": "1.0=0", "lib": "1.1=0"}


@pytest.mark.parametrize("environments", ["nlp", ["nlp"]])
def test_what_is_no_list_of_environments_is_refused(conda: Conda, environments: t.Any) -> None:
    seen = run(conda, environments)
    assert "Expected a list of mappings" in seen.result["msg"]
