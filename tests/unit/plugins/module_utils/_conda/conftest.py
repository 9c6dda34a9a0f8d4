# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment's place, and a finished generation in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import generations
from ansible_collections.openlab.research_server.plugins.module_utils._conda.generations import Layout
from ansible_collections.openlab.research_server.plugins.module_utils._conda.manifest import MANIFEST_FILE


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / generations.FOLDER).mkdir()
    return Layout(str(tmp_path / "nlp"))


@pytest.fixture
def finished() -> Callable[..., str]:
    def made(layout: Layout, age: int = 0) -> str:
        path = Path(layout.next("0123456789abcdef" * 4))
        (path / "conda-meta").mkdir(parents=True)
        state = path / MANIFEST_FILE
        state.write_text("{}")
        os.utime(state, (1_000_000 - age, 1_000_000 - age))
        return str(path)

    return made
