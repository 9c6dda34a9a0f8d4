# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._workbench.lingering import plan, read, render


@pytest.mark.parametrize(
    ("wanted", "before", "lingering", "enable", "disable"),
    [
        (["ada", "bob"], [], [], ["ada", "bob"], []),
        (["ada"], ["ada"], ["ada"], [], []),
        (["ada"], ["ada", "bob"], ["ada", "bob"], [], ["bob"]),
        # Somebody switched it off by hand; somebody has it by hand; somebody has left.
        (["ada"], ["ada", "gone"], ["carol"], ["ada"], []),
        ([], [], ["carol"], [], []),
    ],
)
def test_who_is_taken_off_the_list_loses_it_and_nobody_else(
    wanted: list[str], before: list[str], lingering: list[str], enable: list[str], disable: list[str]
) -> None:
    assert plan(wanted, before, lingering) == (enable, disable)


def test_the_record_is_read_as_it_was_written_and_anything_else_is_nobody() -> None:
    assert read(render({"bob", "ada"})) == {"ada", "bob"} and render([]) == ""
    assert [read(text) for text in (None, "", "{", '{"ada": 1}', "3")] == [set()] * 5
