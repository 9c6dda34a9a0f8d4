# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.needs import plain_need


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("lib >=1,<2", "lib >=1,<2"),
        ("lib", "lib"),
        ("colorama[when=__win]", ""),
        ("lib[version='>=1', when=\"python >=3.12\"]", ""),
        ("lib[version='>=1',extras=[a,b],flags=[cpu]]", "lib[version='>=1']"),
        ("lib[extras=[a, b], version='>=1']", "lib[ version='>=1']"),
        ("lib >=1[flags=[cpu]]", "lib >=1"),
        ("whenever[build=when_1]", "whenever[build=when_1]"),
    ],
)
def test_what_a_dependency_demands_in_any_case(text: str, plain: str) -> None:
    assert plain_need(text) == plain
