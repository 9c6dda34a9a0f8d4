# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import access


@pytest.mark.parametrize(
    ("listing", "keeps_out"),
    [
        ({}, ""),
        ({"allowgroups": ["ssh-users"]}, ""),
        ({"allowgroups": ["ssh-*"]}, ""),
        ({"allowgroups": ["wheel", "ssh-user"]}, "allowgroups"),
        ({"denygroups": ["ssh-use?s"]}, "denygroups"),
        ({"denygroups": ["SSH-USERS"]}, ""),
        ({"allowusers": ["ops", "ada"]}, ""),
        ({"allowusers": ["ops"]}, "allowusers"),
        ({"allowusers": ["ada@192.0.2.*"]}, ""),
        ({"allowusers": ["bob@192.0.2.*"]}, "allowusers"),
        ({"denyusers": ["a*"]}, "denyusers"),
        ({"denyusers": ["ada@192.0.2.1"]}, ""),
        ({"denyusers": ["!ada"]}, ""),
        # A dot is a dot, and not any sign.
        ({"denyusers": ["a.a"]}, ""),
        # All of them are told, in sshd's order.
        ({"denyusers": ["ada"], "allowusers": ["ada"]}, "denyusers"),
        ({"allowusers": ["ada"], "denygroups": ["users"]}, "denygroups"),
        ({"denygroups": ["users"], "allowusers": ["b*"], "denyusers": ["a*"]}, "denyusers allowusers denygroups"),
    ],
)
def test_who_is_kept_out(listing: dict[str, list[str]], keeps_out: str) -> None:
    assert " ".join(access.obstacles("ada", {"ssh-users", "users"}, listing)) == keeps_out


def test_patterns_as_files_have_them() -> None:
    assert access.words(["ops  ada", "a,b", '"carol"']) == ["ops", "ada", "a", "b", "carol"]
