# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
ACTIONS = sorted((ROOT / "plugins" / "action").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_leaves_by_the_common_way(path: Path) -> None:
    """Whoever writes a module sees here that it needs this."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    decorated = {item.id for main in mains for item in main.decorator_list if isinstance(item, ast.Name)}
    assert "AnsibleModule" not in calls
    # Without `main` it is the documentation of an action plugin.
    assert ("Module" in calls, "guarded" in decorated) == (bool(mains), bool(mains))
    assert mains or path.stem in {action.stem for action in ACTIONS}
