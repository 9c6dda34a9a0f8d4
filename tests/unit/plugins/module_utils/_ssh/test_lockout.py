# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.keys import parse
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.lockout import Account, obstacles

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxs"
GOOD = Account(
    name="ops",
    uid=1000,
    groups=frozenset({"ssh-users"}),
    shell="/bin/bash",
    expired=False,
    key_files=("/home/ops/.ssh/authorized_keys",),
    keys=("# a comment", "", KEY),
)


@pytest.mark.parametrize(
    ("difference", "says"),
    [
        ({}, ""),
        ({"uid": 0}, "root will not be let in"),
        ({"groups": frozenset()}, "in none of the allowed groups"),
        ({"shell": "/usr/sbin/nologin"}, "its shell is"),
        ({"shell": "/usr/bin/true"}, "which lets nobody in"),
        ({"shell_missing": True}, "its shell is /bin/bash, where no program is that can be started"),
        ({"expired": True}, "has expired"),
        ({"keys": ()}, "found no key at all"),
        ({"keys": ("ssh-dss AAAA",)}, "damaged"),
        ({"keys": (), "keys_elsewhere": True}, ""),
        ({"keys": (), "certificates_lost": True}, "not trusted any more"),
        ({"certificates_lost": True}, ""),
        ({"revoked": frozenset({parse(KEY).blob})}, "among the revoked keys"),
        ({"keys": (OTHER, KEY), "revoked": frozenset({parse(KEY).blob})}, "among the revoked keys"),
        ({"keys_elsewhere": True, "revoked": frozenset({parse(KEY).blob})}, "among the revoked keys"),
        ({"revoked": frozenset({parse(OTHER).blob})}, ""),
    ],
)
def test_what_keeps_the_operator_out_is_named(difference: dict[str, t.Any], says: str) -> None:
    found = obstacles(GOOD._replace(**difference), ["ssh-users"], root_login=False)
    assert (says in found[0]) if says else found == []
