# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import zipfile
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._conda.conda_side_archive import conda_side_archive

ROOMS = Path(__file__).parents[5] / "plugins/module_utils/_conda_side"


def test_all_rooms_are_in_it_and_stand_alone(tmp_path: Path) -> None:
    path = Path(conda_side_archive(str(tmp_path)))
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    for room in ROOMS.glob("*.py"):
        assert texts[f"rooms/_conda_side/{room.name}"] == room.read_text()
    for path_inside, text in texts.items():
        here = Path(path_inside).parent
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = [here, here.parent][node.level - 1] / (node.module or "").replace(".", "/")
                names = [str(folder / f"{alias.name}.py") for alias in node.names]
                assert f"{folder}.py" in texts or all(name in texts for name in names), (path_inside, names)
