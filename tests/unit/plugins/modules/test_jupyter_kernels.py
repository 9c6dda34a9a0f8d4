# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import jupyter_kernels

INSTALLS = {"install": ["ipykernel 7.1 0 https://lab"], "remove": []}


@pytest.fixture
def kernels(run_module: Callable[..., dict[str, t.Any]], tmp_path: Path) -> Callable[..., dict[str, t.Any]]:
    def run(plan: dict[str, t.Any] | None = None, **more: t.Any) -> dict[str, t.Any]:
        environments = [{"name": "NLP", "prefix": str(tmp_path / "nlp"), "plan": plan or {}}]
        directory = str(tmp_path / "kernels")
        return run_module(jupyter_kernels, environments=environments, directory=directory, **more)

    return run


def test_a_dry_run_trusts_the_plan_and_a_run_what_is_there(kernels: Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    foreseen = kernels(INSTALLS, check_mode=True)
    assert foreseen["changed"] and foreseen["kernels"] == ["nlp"]
    assert not (tmp_path / "kernels").exists()
    # The environment failed to be built.
    failed = kernels(INSTALLS)
    assert (failed["changed"], failed["kernels"], failed["without_kernel"]) == (False, [], ["NLP"])
    info = tmp_path / "nlp/lib/python3.11/site-packages/ipykernel-7.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: ipykernel\nVersion: 7.1\n")
    done = kernels(INSTALLS)
    assert (done["kernels"], done["diff"]) == (foreseen["kernels"], foreseen["diff"])
    assert (tmp_path / "kernels/nlp/kernel.json").is_file()
    assert not kernels(INSTALLS)["changed"]


def test_what_has_no_kernel_any_more_goes(kernels: Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    info = tmp_path / "nlp/lib/python3.11/site-packages/ipykernel-7.1.dist-info"
    info.mkdir(parents=True)
    assert kernels()["changed"]
    removes = {"install": [], "remove": ["ipykernel 7.1 0 https://lab"]}
    assert kernels(removes, check_mode=True)["removed"] == ["nlp"]
    assert not kernels(removes)["changed"]
    info.rmdir()
    assert kernels()["removed"] == ["nlp"]
    assert not (tmp_path / "kernels/nlp").exists()


def test_a_kernel_of_somebody_else_is_left_alone(kernels: Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    theirs = tmp_path / "kernels/nlp/kernel.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("{}")
    result = kernels(INSTALLS, check_mode=True)
    assert result["failed"] and "it has not been touched" in result["msg"]
    assert theirs.read_text() == "{}"


def bring(prefix: Path, name: str, argv: list[str]) -> None:
    spec = prefix / "share/jupyter/kernels" / name / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": argv, "display_name": "R", "language": "R"}))


def test_other_languages_come_and_go_with_what_brings_them(kernels: Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    (tmp_path / "nlp.1").mkdir()
    (tmp_path / "nlp").symlink_to("nlp.1")
    bring(tmp_path / "nlp.1", "ir", [f"{tmp_path}/nlp.1/bin/R", "{connection_file}"])
    done = kernels()
    assert (done["changed"], done["kernels"], done["without_kernel"]) == (True, ["nlp-ir"], [])
    argv = json.loads((tmp_path / "kernels/nlp-ir/kernel.json").read_text())["argv"]
    assert argv[2] == f"{tmp_path}/nlp/bin/R"
    # The same in the next generation is no change.
    bring(tmp_path / "nlp.2", "ir", [f"{tmp_path}/nlp.2/bin/R", "{connection_file}"])
    (tmp_path / "nlp").unlink()
    (tmp_path / "nlp").symlink_to("nlp.2")
    assert not kernels()["changed"] and not kernels(check_mode=True)["changed"]
    (tmp_path / "nlp").unlink()
    gone = kernels()
    assert (gone["removed"], gone["without_kernel"]) == (["nlp-ir"], ["NLP"])
    assert not (tmp_path / "kernels/nlp-ir").exists()


def test_two_kernels_of_one_name_are_refused(run_module: Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    for name, spec in (("a", "b-ir"), ("a-b", "ir")):
        bring(tmp_path / name, spec, ["R"])
    environments = [{"name": name, "prefix": str(tmp_path / name)} for name in ("a", "a-b")]
    result = run_module(jupyter_kernels, environments=environments, directory=str(tmp_path / "kernels"))
    assert result["failed"] and "kernel 'a-b-ir': found a second one in the environment 'a-b'" in result["msg"]
    assert not (tmp_path / "kernels").exists()
