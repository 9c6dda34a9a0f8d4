# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall import others


@pytest.mark.parametrize(
    ("ufw", "units", "expected"),
    [
        ("", set(), []),
        ("ENABLED=no\n", set(), []),
        ("# ENABLED=yes\n", set(), []),
        ('ENABLED="yes"\n', set(), ["ufw"]),
        ("  enabled = 'yes'\n", set(), ["ufw"]),
        ("ENABLED=yesterday\n", set(), []),
        ("LOGLEVEL=low\nENABLED=yes\n", {"ssh.service"}, ["ufw"]),
        ("", {"firewalld.service", "netfilter-persistent.service"}, ["firewalld", "iptables-persistent"]),
    ],
)
def test_other_firewalls_are_named(ufw: str, units: set[str], expected: list[str]) -> None:
    assert others.switched_on(ufw, units) == expected
