# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall.loading import loading

FILE = "/etc/x.nft"


@pytest.mark.parametrize(
    ("before", "after", "new", "told"),
    [
        ("table a\n", "table a\n", [FILE], None),
        ("", "", [FILE], None),
        ("", "table a\n", [FILE], "as /etc/x.nft says\n"),
        # Somebody has emptied the ruleset, or changed it: what is missing is told nowhere else.
        ("", "table a\n", [], "table a\n"),
        ("", "table a\n", ["/etc/other"], "table a\n"),
        ("table b\n", "table a\n", [FILE], "table a\n"),
        ("table b\n", "", [FILE], ""),
    ],
)
def test_a_new_table_is_told_once(before: str, after: str, new: list[str], told: str | None) -> None:
    found = loading("loaded", before, after, FILE, new)
    assert [(part["before"], part["after"]) for part in found] == ([] if told is None else [(before, told)])
