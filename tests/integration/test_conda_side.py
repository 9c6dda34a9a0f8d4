# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection changes in conda while it runs, against the conda at hand: does it still take effect?

CONDA_ROOTS names further installations, with a colon between.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.conda_side_archive import conda_side_archive
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side import patches
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda

# The function of conda.core.path_actions that each patch replaces, found in its own text.
PATCHES = {
    name: next(
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(getattr(patches, name))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    for name in ("hash_ahead", "keep_byte_code")
}
PROBE = """
import ast, inspect, json, sys
from conda.core import path_actions
from conda_side import patches
before = vars(path_actions).copy()
getattr(patches, sys.argv[1])([], sys.argv[2] if sys.argv[1] == "hash_ahead" else [])
calls = [node.func.id for node in ast.walk(ast.parse(inspect.getsource(path_actions)))
         if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
print(json.dumps([name for name, value in vars(path_actions).items() if before.get(name) is not value and name in calls]))
"""


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("root", [None, *filter(None, os.environ.get("CONDA_ROOTS", "").split(":"))])
def test_conda_still_calls_what_is_replaced(conda: Conda, tmp_path: Path, patch: str, root: str | None) -> None:
    python = Path(root or conda.root, "bin/python")
    environment = {**os.environ, "PYTHONPATH": conda_side_archive(str(tmp_path))}
    command = [python, "-s", "-c", PROBE, patch, tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [PATCHES[patch]]
