# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils import _leavers
from ansible_collections.openlab.research_server.plugins.module_utils._leavers import Home

HOME = Home("/home/bob", is_folder=True, owned=True, parent_is_safe=True, others=frozenset())


@pytest.mark.parametrize(
    ("values", "mounts", "says"),
    [
        ({}, ["/", "/home", "/home/bobby"], ""),
        ({}, ["/home/bob/nfs"], "mounted at /home/bob/nfs"),
        ({}, ["/home/bob"], "mounted at /home/bob"),
        ({"is_folder": False}, [], "found a link"),
        ({"owned": False}, [], "in other hands"),
        ({"parent_is_safe": False}, [], "in other hands"),
        ({"others": frozenset({"alice"})}, [], "the home of alice too"),
    ],
)
def test_what_keeps_a_home_from_being_archived(values: dict[str, t.Any], mounts: list[str], says: str) -> None:
    found = _leavers.archive_obstacle(HOME._replace(**values), mounts)
    assert (says in found) if says else found == ""


def test_mount_points_are_decoded() -> None:
    text = "36 35 98:0 / /mnt rw - ext4 /dev/sda rw\n37 35 98:0 /a /home/a\\040b rw shared:1 - ext4 /dev/sdb rw\n"
    assert _leavers.mount_points(text) == ["/mnt", "/home/a b"]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/bobs-work.service\n", "bobs-work.service"),
        ("0::/system.slice/system-jupyter.slice/jupyter@bob.service\n", "jupyter@bob.service"),
        ("0::/system.slice/docker.service/payload\n", "docker.service"),
        ("0::/user.slice/user-1001.slice/session-3.scope\n", ""),
        ("0::/user.slice/user-1001.slice/user@1001.service/app.slice/dbus.service\n", ""),
        ("", ""),
    ],
)
def test_the_service_of_a_process(cgroup: str, unit: str) -> None:
    assert _leavers.service(cgroup) == unit


def test_what_waits_for_removal_is_nobodys_home() -> None:
    assert _leavers.rest("/home/bob") == "/home/.bob.archived"
