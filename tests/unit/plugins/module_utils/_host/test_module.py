# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import os
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openlab.research_server.plugins.module_utils._host.module import (
    MORE,
    STDERR_LINES,
    Module,
    beyond,
    run_module,
)
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError

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


# Those of conda have a door of their own, with what they know of secrets; the servers of JupyterLab tell of each person.
OWN_DOOR = {path.stem for path in MODULES if path.stem.startswith("conda_")} | {"jupyter_servers"}


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem not in OWN_DOOR], ids=lambda path: path.stem)
def test_every_module_goes_through_the_one_door(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert ("run_module" in names) == ("Module" in names)
    # Rights, umask and the result are the door's.
    assert not attributes & {"geteuid", "umask", "exit_json"}


class Asked:
    """As much of a module as the door needs."""

    def __init__(self) -> None:
        self.answer: dict[str, t.Any] = {}

    def exit_json(self, **answer: t.Any) -> None:
        self.answer = answer
        raise SystemExit(0)

    def fail_json(self, **answer: t.Any) -> None:
        self.answer = {"failed": True, **answer}
        raise SystemExit(1)


def go(work: t.Callable[[t.Any], dict[str, t.Any]], **how: t.Any) -> dict[str, t.Any]:
    module, before = Asked(), os.umask(0o077)
    try:
        with pytest.raises(SystemExit):
            run_module(t.cast("t.Any", module), work, **how)
    finally:
        os.umask(before)
    return module.answer


def refuse(_module: object) -> dict[str, t.Any]:
    raise RefusedError("found no door", "Make one")


def test_what_the_work_returns_is_the_result_and_what_it_refuses_the_message() -> None:
    assert go(lambda _module: {"changed": True}) == {"changed": True}
    assert go(refuse) == {"failed": True, "msg": "found no door. Make one"}
    assert go(refuse, name="sshd") == {"failed": True, "msg": "sshd: found no door. Make one"}


def test_the_work_is_done_with_a_umask_that_lets_people_read() -> None:
    def umask() -> int:
        os.umask(found := os.umask(0))
        return found

    assert go(lambda _module: {"umask": umask()}) == {"umask": 0o022}


def test_without_the_rights_that_it_needs_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    answer = go(lambda _module: pytest.fail("it was begun"), name="sshd", root=True)
    assert answer["msg"] == "sshd: found no root rights; expected them. Set 'become: true'"
    assert go(lambda _module: {"changed": False}) == {"changed": False}


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
