# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

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
