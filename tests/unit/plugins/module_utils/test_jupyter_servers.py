# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter_servers import (
    Plan,
    Server,
    describe,
    describe_wanted,
    make_plan,
    name_of,
    parse_listeners,
    parse_show,
    taken,
)

PORTS = {"alice": 20207}
GOOD = Server(
    "alice",
    load="loaded",
    active="active",
    sub="running",
    enabled=True,
    pid=17,
    started=1000.0,
    processes=1,
    listeners=(("127.0.0.1", 20207),),
)


def seen(**changes: object) -> dict[str, Server]:
    return {"alice": dataclasses.replace(GOOD, **changes)}  # type: ignore[arg-type]


def test_a_server_as_wanted_is_left_alone() -> None:
    plan = make_plan(PORTS, seen(), 999.0, "always")
    assert plan == Plan() and not plan.changed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"active": "inactive", "pid": 0, "listeners": ()}, Plan(start=["alice"])),
        ({"active": "failed", "pid": 0, "listeners": ()}, Plan(start=["alice"])),
        ({"active": "activating", "sub": "auto-restart", "pid": 0, "listeners": ()}, Plan(start=["alice"])),
        ({"listeners": ()}, Plan(start=["alice"])),
        ({"enabled": False}, Plan(enable=["alice"])),
        (
            {"load": "masked", "active": "inactive", "pid": 0, "enabled": False, "listeners": ()},
            Plan(unmask=["alice"], enable=["alice"], start=["alice"]),
        ),
        ({"reload": True}, Plan(reload=True)),
        ({"listeners": (("0.0.0.0", 20207),), "processes": 9}, Plan(restart=["alice"])),
        ({"listeners": (("127.0.0.1", 20207), ("::", 5000)), "processes": 9}, Plan(restart=["alice"])),
    ],
)
@pytest.mark.parametrize("restart", ["idle", "always", "never"])
def test_what_is_broken_is_repaired_whatever_the_policy(changes: dict[str, object], expected: Plan, restart: str) -> None:
    plan = make_plan(PORTS, seen(**changes), 999.0, restart)
    assert plan == expected and plan.changed


@pytest.mark.parametrize(
    "changes", [{"started": 998.0}, {"started": 1000.0, "overridden": 1001.0}, {"listeners": (("127.0.0.1", 20208),)}]
)
@pytest.mark.parametrize(
    ("restart", "processes", "restarted"),
    [
        ("idle", 1, True),
        ("idle", 2, False),
        ("idle", None, False),
        ("always", 2, True),
        ("never", 1, False),
    ],
)
def test_what_is_out_of_date_waits_for_the_work_in_it(
    changes: dict[str, object], restart: str, processes: int, restarted: bool
) -> None:
    plan = make_plan(PORTS, seen(processes=processes, **changes), 999.0, restart)
    assert (plan.restart, plan.pending) == ((["alice"], []) if restarted else ([], ["alice"]))
    assert plan.changed == restarted


def test_nothing_is_there_yet() -> None:
    assert make_plan(PORTS, {}, 0.0, "idle") == Plan(enable=["alice"], start=["alice"])


def test_those_who_left_are_removed() -> None:
    plan = make_plan({}, seen(), 0.0, "never")
    assert plan == Plan(remove=["alice"]) and plan.changed


def test_ipv6_loopback_is_not_exposed() -> None:
    assert Server("a", listeners=(("::1", 1), ("127.0.0.53", 2))).exposed == []
    assert Server("a", listeners=(("192.0.2.1", 1),)).exposed == ["192.0.2.1:1"]


@pytest.mark.parametrize(
    ("listening", "occupied"),
    [
        ([], []),
        ([("127.0.0.1", 20208)], []),
        ([("127.0.0.1", 20207)], ["alice"]),
        ([("0.0.0.0", 20207)], ["alice"]),
        ([("::", 20207)], ["alice"]),
        ([("127.0.0.1", 28650)], []),
    ],
)
def test_a_port_that_a_stranger_has_is_noticed(listening: list[tuple[str, int]], occupied: list[str]) -> None:
    """Ports of other JupyterLabs do not count: two users may swap theirs."""
    servers = {"bob": dataclasses.replace(GOOD, name="bob", listeners=(("127.0.0.1", 28650),))}
    ports = {"alice": 20207, "bob": 28650}
    assert taken(ports, make_plan(ports, servers, 0.0, "idle"), servers, listening) == occupied
    swapped = {"alice": 28650, "bob": 28650}
    assert taken(swapped, make_plan(swapped, servers, 0.0, "idle"), servers, [("127.0.0.1", 28650)]) == []


def test_only_young_servers_are_waited_for() -> None:
    young = dataclasses.replace(GOOD, listeners=())
    assert young.booting(1010.0, 60)
    assert not young.booting(1061.0, 60)
    assert not GOOD.booting(1010.0, 60)
    assert not dataclasses.replace(young, active="failed", pid=0).booting(1010.0, 60)
    assert not Server("alice").booting(1010.0, 60)


def test_the_diff_tells_before_from_after() -> None:
    ports = {"alice": 20207, "bob": 1}
    stopped = {**seen(active="failed", sub="failed", pid=0, listeners=()), "eve": dataclasses.replace(GOOD, name="eve")}
    plan = make_plan(ports, stopped, 0.0, "idle")
    assert describe({*ports, *stopped}, stopped) == "alice: failed, enabled\nbob: absent\neve: 127.0.0.1:20207, enabled\n"
    assert describe_wanted(ports, stopped, plan) == "alice: 127.0.0.1:20207, enabled\nbob: 127.0.0.1:1, enabled\neve: absent\n"


def test_a_diff_of_nothing_is_empty() -> None:
    assert describe(PORTS, seen()) == describe_wanted(PORTS, seen(), make_plan(PORTS, seen(), 0.0, "idle"))


def test_a_restart_shows_in_the_diff() -> None:
    old = seen(started=1.0)
    assert describe(PORTS, old) != describe_wanted(PORTS, old, make_plan(PORTS, old, 999.0, "idle"))


def test_parse_show_takes_each_unit_once() -> None:
    text = "Id=jupyter@a.service\nMainPID=3\n\nId=jupyter@b.service\nMainPID=0\n\nMainPID=3\nId=jupyter@a.service\n"
    assert parse_show(text) == [
        {"Id": "jupyter@a.service", "MainPID": "3"},
        {"Id": "jupyter@b.service", "MainPID": "0"},
    ]
    assert parse_show("") == []


@pytest.mark.parametrize(
    ("unit", "name"),
    [("jupyter@a-b.c.service", "a-b.c"), ("jupyter@.service", None), ("jupyterhub@a.service", None), ("jupyter@a.socket", None)],
)
def test_name_of(unit: str, name: str) -> None:
    assert name_of(unit) == name


# Recorded on x86_64: sshd and a JupyterLab listen, a connection is established.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4EEF 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5012 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   2: 0100007F:4EEF 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 6001 1 0000000000000000 20 4 30 10 -1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:4EEF 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5013 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5014 1 0000000000000000 100 0 0 10 0
"""


def test_parse_listeners_reads_the_kernels_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_listeners(TCP) == {"5012": ("127.0.0.1", 20207), "4711": ("0.0.0.0", 22)}
    assert parse_listeners(TCP6) == {"4713": ("::", 22), "5013": ("::1", 20207), "5014": ("127.0.0.1", 8080)}
    assert parse_listeners("") == {}
