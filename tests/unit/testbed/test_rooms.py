# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test bed judges the collection, so it uses nothing of it; its rooms know each other's results, not each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTBED = Path(__file__).resolve().parents[2] / "testbed"
ROOMS = {"channel", "hosts", "people"}


def modules() -> list[Path]:
    return sorted(TESTBED.rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """What a module imports, wherever in it that is done; ``from .`` stays in its room and does not count."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            yield "." * node.level + (node.module or "")


def test_every_module_has_a_room_or_is_a_hand_for_all() -> None:
    assert {path.name for path in TESTBED.iterdir() if path.is_dir()} - {"__pycache__"} == ROOMS
    assert {path.stem for path in TESTBED.glob("*.py")} == {
        "controller",
        "debian_packages",
        "loaded",
        "once",
        "shell",
        "testbed",
        "waiting",
    }


def test_nothing_of_the_collection_is_imported() -> None:
    for module in modules():
        assert not {"plugins", "tests"} & {name.split(".")[0] for name in imported(module)}, module
        assert "ansible_collections" not in module.read_text(encoding="utf-8"), module


def test_rooms_need_no_other_room() -> None:
    """Only the one command knows them all."""
    for module in modules():
        foreign = {name for name in imported(module) if name.split(".")[0] in ROOMS or name.startswith(".")}
        assert not foreign or module == TESTBED / "testbed.py", (module, foreign)
