# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.membership import lost

ROLES = ("accounts", "sshd", "jupyter")
KNOWN = ("all", "ungrouped", "research_servers", "cpu_servers", "bastion", "bastions", "printers", *ROLES)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["all", "bastion", "sshd"], None),
        (["all", "unmanaged"], None),
        (["all", "unmanaged", "sshd"], "found the host in the group 'unmanaged' and in sshd; expected it in one or the other"),
        (
            ["bastions"],
            "found the host in the groups bastions; expected a group that leads to a role (accounts, jupyter, sshd); did you",
        ),
        (
            ["bastions"],
            "did you mean 'bastion'? The site leaves it as it is; if that is meant, put it into the group 'unmanaged'",
        ),
        (["printers"], "name it in hosts.yml where it belongs"),
        (["ungrouped"], "found the host in no group"),
        (["cpu_server", "all"], "did you mean 'cpu_servers'?"),
    ],
)
def test_a_host_that_no_role_reaches_is_told(groups: list[str], words: str | None) -> None:
    problems = lost(groups, KNOWN, ROLES)
    assert bool(problems) == (words is not None)
    assert (words or "") in "".join(problems)
