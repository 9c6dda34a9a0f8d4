# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openlab.research_server.plugins.module_utils._host.module import MORE, STDERR_LINES, Module, beyond

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


def test_what_a_program_said_is_shown_where_the_message_lacks_it() -> None:
    assert beyond("not in the channels: - nunpy.\nCheck spelling", "\n  - nunpy\n") == ""
    assert beyond("conda failed", "") == ""
    said = "".join(f"line {number}\n" for number in range(100))
    assert beyond("conda failed: line 1", said).splitlines() == said.splitlines()[-STDERR_LINES:]
    # A secret is hidden before its beginning is cut off.
    key = "-----BEGIN PRIVATE KEY-----\n" + ("x" * 64 + "\n") * STDERR_LINES + "-----END PRIVATE KEY-----\n"
    assert "xxx" not in beyond("conda failed", key)


@pytest.mark.parametrize(
    ("verbosity", "output", "told"),
    [
        (0, "why", {}),
        (0, "", {}),
        (0, "more", {"stderr": "more"}),
        # As Ansible itself hands over what a program said.
        (0, b"more \xff\ntoken=sw0rdf1shSw0rdf1sh0123\n", {"stderr": "more \\udcff\ntoken=***"}),
        (MORE, "why", {"stderr": "why"}),
    ],
)
def test_who_asks_for_more_sees_all_that_a_program_said(
    monkeypatch: pytest.MonkeyPatch, verbosity: int, output: str | bytes, told: dict[str, str]
) -> None:
    seen: dict[str, t.Any] = {}
    monkeypatch.setattr(AnsibleModule, "fail_json", lambda _self, **result: seen.update(result))
    module = Module.__new__(Module)
    module._verbosity = verbosity
    with pytest.raises(SystemExit):
        module.fail_json("this is why", stderr=output)
    assert seen == {"msg": "this is why", **told}
