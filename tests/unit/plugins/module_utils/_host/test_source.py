# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import types

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.source import source
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter import launch


class Archive:
    """What zipimport offers."""

    def get_source(self, name: str) -> str:
        return f"# {name}"


def test_the_text_of_a_module_on_disk_and_in_an_archive() -> None:
    assert ast.get_docstring(ast.parse(source(launch))) == str(launch.__doc__).strip()
    packed = types.ModuleType("packed")
    packed.__loader__ = Archive()
    assert source(packed) == "# packed"


def test_a_module_without_a_text_is_an_error() -> None:
    with pytest.raises((OSError, TypeError)):
        source(types.ModuleType("nowhere"))
