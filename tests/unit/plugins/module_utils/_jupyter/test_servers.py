# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.listening import Listener
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.servers import (
    PATIENCE,
    Plan,
    Server,
    describe,
    describe_wanted,
    drop_in,
    make_plan,
    name_of,
    parse_groups,
    parse_show,
    shown,
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


@pytest.mark.parametrize("sub", ["start-pre", "start", "auto-restart", "stop-sigterm"])
@pytest.mark.parametrize("restart", ["idle", "always", "never"])
def test_what_is_on_its_way_is_left_to_systemd(sub: str, restart: str) -> None:
    on_its_way = seen(active="deactivating" if "stop" in sub else "activating", sub=sub, listeners=())
    assert not make_plan(PORTS, on_its_way, 999.0, restart).changed


@pytest.mark.parametrize(
    ("changes", "ports_written"), [({"started": 998.0}, 0.0), ({"overridden": 1001.0}, 0.0), ({}, 1001.0), ({}, 999.0)]
)
def test_what_starts_from_old_files_starts_again(changes: dict[str, object], ports_written: float) -> None:
    starting = seen(active="activating", sub="start", listeners=(), **changes)
    plan = make_plan(PORTS, starting, 999.0, "idle", ports_written)
    assert plan.restart == ([] if not changes and ports_written < 1000 else ["alice"])
    assert not make_plan(PORTS, seen(), 999.0, "idle", 1001.0).changed, "where it listens tells its port"


@pytest.mark.parametrize(
    "changes",
    [
        {"started": 998.0},
        {"started": 1000.0, "overridden": 1001.0},
        {"listeners": (("127.0.0.1", 20208),)},
        {"regrouped": True},
    ],
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
    assert (plan.restart, list(plan.pending)) == ((["alice"], []) if restarted else ([], ["alice"]))
    assert plan.changed == restarted


def test_nothing_is_there_yet() -> None:
    assert make_plan(PORTS, {}, 0.0, "idle") == Plan(enable=["alice"], start=["alice"])


def test_those_who_left_are_removed() -> None:
    plan = make_plan({}, seen(), 0.0, "never")
    assert plan == Plan(remove=["alice"]) and plan.changed


def test_ipv6_loopback_is_not_exposed() -> None:
    assert Server("a", listeners=(("::1", 1), ("127.0.0.53", 2))).exposed == []
    assert Server("a", listeners=(("192.0.2.1", 1),)).exposed == ["192.0.2.1:1"]


def test_why_a_server_is_out_of_date_is_said() -> None:
    why = [
        make_plan(PORTS, seen(processes=2, **changes), 999.0, "idle").pending["alice"]
        for changes in ({"started": 1.0}, {"listeners": (("127.0.0.1", 1),)}, {"regrouped": True})
    ]
    assert [text.split()[-4:] for text in why] == [
        ["or", "its", "unit", "has", "changed"][-4:],
        ["has", "another", "port", "now"],
        ["in", "other", "groups", "now"],
    ]


# Whose port is taken if somebody listens there; with and without the table that keeps others from being reached.
def Socket(address: str, port: int, uid: int) -> Listener:
    """One with some inode."""
    return Listener(address, port, uid, 1)


@pytest.mark.parametrize(
    ("address", "port", "guarded", "unguarded"),
    [
        ("127.0.0.1", 20208, [], []),
        ("127.0.0.1", 20207, ["alice"], ["alice"]),
        ("0.0.0.0", 20207, ["alice"], ["alice"]),
        ("::", 20207, ["alice"], ["alice"]),
        ("::1", 20207, [], ["alice"]),
        ("127.0.0.2", 20207, [], ["alice"]),
        ("192.0.2.1", 20207, [], ["alice"]),
    ],
)
def test_a_port_that_a_stranger_has_is_noticed(address: str, port: int, guarded: list[str], unguarded: list[str]) -> None:
    servers = {"bob": dataclasses.replace(GOOD, name="bob", listeners=(("127.0.0.1", 28650),))}
    ports = {"alice": 20207, "bob": 28650}
    plan = make_plan(ports, servers, 0.0, "idle")
    sockets = {"17": Socket(address, port, 1003), "4": Socket("127.0.0.1", 28650, 1002)}
    assert taken(ports, plan, servers, sockets, guarded=True) == dict.fromkeys(guarded, "17")
    assert taken(ports, plan, servers, sockets, guarded=False) == dict.fromkeys(unguarded, "17")


def test_a_server_that_tries_again_and_again_is_told_who_is_in_the_way() -> None:
    sockets = {"17": Socket("127.0.0.1", 20207, 1003)}
    tries = seen(active="activating", sub="auto-restart", listeners=(), pid=0)
    assert taken(PORTS, make_plan(PORTS, tries, 0.0, "idle"), tries, sockets, guarded=True) == {"alice": "17"}
    assert taken(PORTS, make_plan(PORTS, seen(), 0.0, "idle"), seen(), sockets, guarded=True) == {}, "hers, and it is up"


def test_two_users_may_swap_their_ports_unless_one_of_them_is_at_work() -> None:
    swapped = {"alice": 28650, "bob": 20207}
    servers = {**seen(), "bob": dataclasses.replace(GOOD, name="bob", listeners=(("127.0.0.1", 28650),))}
    sockets = {"3": Socket("127.0.0.1", 20207, 1001), "4": Socket("127.0.0.1", 28650, 1002)}
    assert taken(swapped, make_plan(swapped, servers, 0.0, "idle"), servers, sockets, guarded=True) == {}
    servers["bob"] = dataclasses.replace(servers["bob"], processes=5)
    plan = make_plan(swapped, servers, 0.0, "idle")
    found = taken(swapped, plan, servers, sockets, guarded=True)
    assert found == {"alice": "4"}
    plan.leave_out(found)
    assert plan.begin == [], "she keeps what she has"


@pytest.mark.parametrize(
    ("changes", "waited", "coming"),
    [
        ({}, 0, True),
        ({"sub": "auto-restart", "result": "exit-code"}, 0, True),
        ({"active": "inactive"}, 0, False),
        ({"active": "inactive", "job": True}, 0, True),
        ({"active": "active", "sub": "running"}, 0, False),
        ({"active": "active", "sub": "running", "job": True}, 0, True),
        ({"active": "deactivating"}, 0, True),
        ({"load": "masked"}, 0, False),
        ({"since": 939.0}, 0, False),
        # It has ended by itself before.
        ({"restarts": 1}, 0, True),
        ({"restarts": 1, "sub": "auto-restart"}, 0, True),
        ({"restarts": 1, "sub": "auto-restart", "result": "exit-code"}, 0, False),
        ({"restarts": 1, "since": 999.0 - PATIENCE}, 0, False),
        ({"restarts": 1}, PATIENCE, False),
    ],
)
def test_who_is_waited_for(changes: dict[str, object], waited: float, coming: bool) -> None:
    server = seen(**{"active": "activating", "sub": "start", "listeners": (), "since": 999.0, **changes})["alice"]
    assert server.coming(1000.0, 60.0, waited) == coming


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


def test_parse_groups_takes_all_of_them() -> None:
    assert parse_groups("Name:\tpython\nGid:\t1002\t1002\t1002\t1002\nGroups:\t997 1001 1002 \n") == {997, 1001, 1002}
    assert parse_groups("") == frozenset()


def test_what_a_server_wrote_is_shown_short_and_harmless() -> None:
    assert shown("plain\n") == "plain"
    assert shown("\x1b[2Jgone\ttab\u202eolleh") == "\\x1b[2Jgone\\ttab\\u202eolleh"
    # Systemd starts again what ends, which writes the same again.
    assert shown("first\nagain\nother\nagain\n") == "first\nother\nagain"
    lines = shown("\n".join(f"{number}{'x' * 10**6}" for number in range(50))).split("\n")
    assert ([line[:2] for line in lines], {len(line) for line in lines}) == ([str(number) for number in range(42, 50)], {200})


@pytest.mark.parametrize(
    ("home", "path"),
    [("/home/ada", "/home/ada"), ("/srv/my data/a", "/srv/my data/a"), ("/h/50%u", "/h/50%%u"), ('/h/"\\', '/h/\\"\\\\')],
)
def test_the_unit_is_told_the_home_in_systemds_words(home: str, path: str) -> None:
    assert drop_in("h", home).splitlines()[-2:] == ["[Service]", f'ReadOnlyPaths="-{path}/.ssh"']
