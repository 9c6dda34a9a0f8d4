# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.entries import desired, project

KEY = "ssh-ed25519 AAAA ada@laptop"


@pytest.mark.parametrize("keys", [KEY, [KEY], [{"key": KEY}]])
def test_one_key_is_one_key_whether_it_stands_in_a_list_or_not(keys):
    assert desired({"name": "ada", "keys": keys}, administrator=False).keys == (KEY,)


def test_a_group_or_a_member_without_a_list_is_one_name():
    assert desired({"name": "ada", "groups": "video"}, administrator=False).groups == ("video",)
    assert project({"name": "imaging", "members": "ada,grace"}).members == ("ada", "grace")


@pytest.mark.parametrize("nothing", [{}, {"keys": None}, {"keys": []}, {"keys": {"key": KEY}}])
def test_what_is_no_list_of_keys_is_left_to_the_check_of_types(nothing):
    assert desired({"name": "ada", **nothing}, administrator=False).keys == ()
