# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._workbench.git import changes, parse, with_lines

WANTED = {"filter.x.clean": "strip", "filter.x.required": "true"}


def test_git_tells_keys_with_all_their_values() -> None:
    listing = "user.name\nAda L.\0alias.x\n!f() {\nls; }\0filter.x.required\0user.name\nB\0"
    assert parse(listing) == {"user.name": ["Ada L.", "B"], "alias.x": ["!f() {\nls; }"], "filter.x.required": ["true"]}
    assert parse("") == {}


@pytest.mark.parametrize(
    ("found", "present", "expected"),
    [
        ({}, True, WANTED),
        ({"filter.x.clean": ["strip"], "filter.x.required": ["true"], "user.name": ["x"]}, True, {}),
        ({"filter.x.clean": ["other", "strip"], "filter.x.required": ["true"]}, True, {"filter.x.clean": "strip"}),
        ({"filter.x.clean": ["other"], "user.name": ["x"]}, False, {"filter.x.clean": None}),
        ({}, False, {}),
    ],
)
def test_only_what_differs_is_changed(found: dict[str, list[str]], present: bool, expected: dict[str, str | None]) -> None:
    assert changes(found, WANTED, present) == expected


@pytest.mark.parametrize(
    ("text", "present", "expected"),
    [
        ("", True, "ours\n"),
        ("*.pdf binary", True, "ours\n*.pdf binary\n"),
        ("a\nours\nb\n", True, "a\nours\nb\n"),
        ("a\nours\nb\n", False, "a\nb\n"),
        ("ours\n", False, ""),
        ("", False, ""),
    ],
)
def test_lines_of_others_stay(text: str, present: bool, expected: str) -> None:
    assert with_lines(text, ["ours"], present) == expected
