# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._login import client


class Connection:
    """Ansible's options of a host behind a bastion."""

    def get_option(self, name: str) -> str | None:
        given = {"ssh_common_args": "-J ops@gate:2222", "remote_user": "ops", "private_key_file": "/k"}
        return given.get(name)


def test_each_option_is_given_once_since_ssh_takes_a_single_jump() -> None:
    assert client.options(Connection()) == ["-J", "ops@gate:2222", "-i", "/k"]
    assert client.options(Connection(), "-J ops@gate:2222 -o HostKeyAlias=a").count("-J") == 1
    assert client.arguments(Connection()) == ["-J", "ops@gate:2222", "-i", "/k", "-l", "ops"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "ssh ended with 255"),
        ("a banner\nops@host: Permission denied (publickey).\n", "ops@host: Permission denied (publickey)."),
        (
            "ssh: Could not resolve hostname gate: Name or service not known\r\nConnection closed by UNKNOWN port 65535\r\n",
            "ssh: Could not resolve hostname gate: Name or service not known",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\n"
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n",
            "channel 0: open failed: administratively prohibited: open failed",
        ),
        ("Connection closed by UNKNOWN port 65535\n", "Connection closed by UNKNOWN port 65535"),
    ],
)
def test_of_a_jump_that_failed_is_told_where(said: str, expected: str) -> None:
    assert client.reason(subprocess.CompletedProcess(["ssh"], 255, "", said)) == expected
