# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.sshd import check, notes


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, ""),
        ({"sshd_port": 22, "sshd_settings": {"Banner": "/etc/issue"}}, ""),
        ({"sshd_port": 0}, "sshd_port: found 0"),
        ({"sshd_port": 65536}, "sshd_port: found 65536"),
        ({"sshd_previous_ports": [22, 70000]}, "sshd_previous_ports: found 70000"),
        ({"sshd_allow_groups": []}, "sshd_allow_groups: found an empty list"),
        ({"sshd_allow_groups": [""]}, "sshd_allow_groups: found ''"),
        ({"sshd_jump_groups": ["ssh users"]}, "sshd_jump_groups: found 'ssh users'"),
        ({"sshd_settings": {"Match User x\nPort": 1}}, "expected the name of one setting"),
        ({"sshd_settings": {"PubkeyAuthentication": False}}, "found 'PubkeyAuthentication no'"),
        ({"sshd_settings": {"AuthenticationMethods": ["password"]}}, "found 'AuthenticationMethods password'"),
        ({"sshd_settings": {"port": 22}}, "'sshd_port'"),
        ({"sshd_settings": {"Match": "User ada"}}, "found Match; expected settings that hold for everybody"),
        ({"sshd_settings": {"include": "/etc/ssh/more"}}, "found include; expected settings that hold for everybody"),
        ({"sshd_settings": {"AllowGroups": ["x"]}}, "'sshd_allow_groups'"),
        ({"sshd_settings": {"TrustedUserCAKeys": "/etc/ssh/ca.pub"}}, ""),
        ({"sshd_settings": {"RevokedKeys": "/x"}, "sshd_revoked_keys": ["y"]}, "'sshd_revoked_keys' which sets it, too"),
        ({"sshd_trusted_user_ca_keys": ["nonsense"]}, "sshd_trusted_user_ca_keys, key 1"),
        ({"sshd_undo_after": 5}, "expected at least 30 s"),
    ],
)
def test_problems_are_named(variables: dict[str, t.Any], says: str) -> None:
    found = check(variables)
    assert (says in found[0]) if says else found == []


@pytest.mark.parametrize(
    ("port", "says"),
    [
        (22, "only root may listen below 1024"),
        (2222, "net.ipv4.ip_unprivileged_port_start becomes 2223"),
        (22022, "systemd holds it"),
    ],
)
def test_what_keeps_the_port_is_told(port: int, says: str) -> None:
    (note,) = notes({"sshd_port": port})
    assert note.startswith(f"sshd_port {port}: ") and says in note
