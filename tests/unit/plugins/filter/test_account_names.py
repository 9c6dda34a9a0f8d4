# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.filter.account_names import account_names


def test_who_leaves_is_left_out_and_the_others_keep_their_order() -> None:
    people = [{"name": "eve"}, {"name": "ada", "state": "present"}, {"name": "bob", "state": "absent"}, {"name": "eve"}]
    assert account_names(people) == ["eve", "ada"]


def test_what_is_nobody_is_left_to_the_role_that_refuses_it() -> None:
    assert account_names(["ada", {}, {"name": None}, {"name": "bob"}]) == ["bob"]


def test_a_list_of_which_all_lines_are_comments_is_nobody() -> None:
    assert account_names(None) == []
