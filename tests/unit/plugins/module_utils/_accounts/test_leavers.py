# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import leavers
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.leavers import Home

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
    found = leavers.archive_obstacle(HOME._replace(**values), mounts)
    assert (says in found) if says else found == ""


def test_what_is_told_of_set_user_id_files() -> None:
    notice = leavers.setuid_notice("bob", ["/tmp/\x1b[2J", "/y"], complete=True, removed=False)
    assert notice.startswith("account 'bob': found files with a set-user-ID or set-group-ID bit: /tmp/\\x1b[2J, /y; expected")
    assert "not finished" not in notice
    many = leavers.setuid_notice("bob", [f"/{number}" for number in range(30)], complete=False, removed=True)
    assert many.startswith("account 'bob': took the set-user-ID") and "/19 and 10 more. The search was not finished" in many


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
    assert leavers.service(cgroup) == unit


def test_what_waits_for_removal_is_nobodys_home() -> None:
    assert leavers.rest("/home/bob") == "/home/.bob.archived"


def test_subordinate_numbers() -> None:
    assert leavers.subordinate_numbers("ada:100000:65536\n\nrubbish\nbob:x:1\n") == [("ada", 100000, 65536)]


@pytest.mark.parametrize(
    ("subordinate", "more"),
    [
        ("", []),
        ("ada:100000:10\nbob:100010:10\n", [range(100010, 100020)]),
        ("1002:200000:5\nbob:300000:5\nbobby:1:5\n", [range(200000, 200005), range(300000, 300005)]),
        ("bob:100000:10\nada:100009:10\n", []),
    ],
)
def test_somebody_can_run_as_the_numbers_that_nobody_else_has(subordinate: str, more: list[range]) -> None:
    assert leavers.numbers("bob", 1002, subordinate) == more
