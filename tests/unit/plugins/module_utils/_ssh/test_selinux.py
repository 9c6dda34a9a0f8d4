# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import selinux

LISTING = """SELinux Port Type              Proto    Port Number

http_port_t                    tcp      80, 81, 443, 488, 8008, 8009, 8443, 9000
ssh_port_t                     tcp      2200, 22
ssh_port_t                     udp      2400
unreserved_port_t              tcp      61001-65535, 1024-32767
"""


@pytest.mark.parametrize(
    ("ports", "changes"),
    [
        ([22, 2200], []),
        ([2222], [("-a", "2222")]),
        ([2400], [("-a", "2400")]),
        ([443, 22, 50000], [("-m", "443"), ("-a", "50000")]),
    ],
)
def test_ports_get_the_label_of_ssh(ports: list[int], changes: list[tuple[str, str]]) -> None:
    assert [(command[2], command[-1]) for command in selinux.label_commands(ports, LISTING)] == changes


def test_the_command() -> None:
    assert selinux.label_commands([2222], LISTING) == [["semanage", "port", "-a", "-t", "ssh_port_t", "-p", "tcp", "2222"]]
