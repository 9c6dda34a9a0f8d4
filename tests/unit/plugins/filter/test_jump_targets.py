# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.filter import jump_targets as module
from ansible_collections.openlab.research_server.plugins.filter.jump_targets import default_port, jump_targets
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import put

HOSTVARS: dict[str, dict[str, t.Any]] = {
    "gpu-01": {},
    "gpu-02": {"sshd_port": "2300", "ansible_host": "192.0.2.7"},
    "gpu-03": {"sshd_port": 22, "ansible_host": "2001:db8::3", "client_config_hostname": "gpu-03.lab.example"},
    "gpu-04": {"ansible_host": "gpu-04"},
}


@pytest.mark.parametrize(
    ("hosts", "ports", "expected"),
    [
        ([], [], ["none"]),
        ([], [22], ["none"]),
        (["gpu-01"], [], ["gpu-01:2222"]),
        (["gpu-02"], [], ["gpu-02:2300", "192.0.2.7:2300"]),
        (["gpu-03"], [22], ["gpu-03:22", "[2001:db8::3]:22", "gpu-03.lab.example:22"]),
        (["gpu-04", "gpu-01"], [22, 2222], ["gpu-04:2222", "gpu-04:22", "gpu-01:2222", "gpu-01:22"]),
    ],
)
def test_every_name_and_port_of_every_server(hosts: list[str], ports: list[int], expected: list[str]) -> None:
    assert jump_targets(hosts, HOSTVARS, ports) == expected


def test_a_host_that_says_nothing_has_the_port_of_the_role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(tmp_path, "sshd/defaults/main.yml", "sshd_port: 2345\n")
    monkeypatch.setattr(module, "ROLES", tmp_path)
    default_port.cache_clear()
    try:
        assert jump_targets(["gpu-01"], HOSTVARS) == ["gpu-01:2345"]
    finally:
        default_port.cache_clear()
