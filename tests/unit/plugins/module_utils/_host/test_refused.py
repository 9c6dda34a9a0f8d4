# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._host import refused
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError

PLUGINS = Path(__file__).parents[5] / "plugins"


@pytest.mark.parametrize(
    ("cause", "way_out", "told"),
    [
        ("found no door", "", "found no door"),
        ("found no door", "Make one", "found no door. Make one"),
        ("found no door.\n", " Make one ", "found no door. Make one"),
        ("what conda says:", "Read it.", "what conda says: Read it."),
    ],
)
def test_the_cause_is_told_before_the_way_out(cause: str, way_out: str, told: str) -> None:
    assert str(RefusedError(cause, way_out)) == told


def test_an_error_of_conda_is_one_and_hides_credentials_however_it_is_told() -> None:
    error = CondaEnvError(
        "https://ada:sw0rdf1sh@conda.example.org/x is not there", "Look at https://ada:sw0rdf1sh@conda.example.org"
    )
    assert isinstance(error, RefusedError)
    assert "is not there. Look at" in str(error) and "sw0rdf1sh" not in f"{error}{error!r}"


def test_there_is_one_error_of_this_name_and_who_plans_can_raise_it() -> None:
    found = {
        path.relative_to(PLUGINS).as_posix()
        for path in PLUGINS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name == "RefusedError"
    }
    assert found == {"module_utils/_host/refused.py"}
    tree = ast.parse(Path(refused.__file__).read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [node.module for node in imported if isinstance(node, ast.ImportFrom)] == ["__future__"] and len(imported) == 1
