# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.listening import Listener
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.servers import (
    PATIENCE,
    Door,
    Plan,
    Server,
    describe,
    describe_wanted,
    door_lines,
    make_plan,
    name_of,
    parse_groups,
    parse_show,
    place_of,
    shown,
    taken,
    unit_lines,
)

HERS, HIS = "127.0.0.1:20207", "127.0.0.1:28650"
PLACES = {"alice": HERS}
SOCKETS = "/run/lab-jupyter/alice.sock"


def door(where: str) -> Door:
    return Door("loaded", "active", enabled=True, told=(where,), held=(where,))


GOOD = Server(
    "alice",
    load="loaded",
    active="active",
    sub="running",
    pid=17,
    started=1000.0,
    processes=1,
    listeners=(("127.0.0.1", 20207),),
    door=door(HERS),
)
ASLEEP = dataclasses.replace(GOOD, active="inactive", sub="dead", pid=0, processes=None, listeners=())
CLOSED = dataclasses.replace(GOOD.door, active="inactive", held=())


def seen(server: Server = GOOD, **changes: object) -> dict[str, Server]:
    return {"alice": dataclasses.replace(server, **changes)}  # type: ignore[arg-type]


@pytest.mark.parametrize("server", [GOOD, ASLEEP, dataclasses.replace(ASLEEP, started=0.0)])
def test_a_server_as_wanted_is_left_alone(server: Server) -> None:
    plan = make_plan(PLACES, seen(server), 999.0, "always")
    assert plan == Plan() and not plan.changed


@pytest.mark.parametrize(
    ("server", "changes", "expected"),
    [
        (GOOD, {"active": "failed", "pid": 0, "listeners": (), "result": "exit-code"}, Plan(start=["alice"])),
        (ASLEEP, {"result": "exit-code"}, Plan(start=["alice"])),
        (ASLEEP, {"door": CLOSED}, Plan(start=["alice"], doors=["alice"])),
        (ASLEEP, {"door": dataclasses.replace(GOOD.door, held=())}, Plan(start=["alice"], doors=["alice"])),
        (ASLEEP, {"door": dataclasses.replace(GOOD.door, told=(HERS, "0.0.0.0:5000"))}, Plan(start=["alice"], doors=["alice"])),
        (GOOD, {"door": dataclasses.replace(GOOD.door, enabled=False)}, Plan(enable=["alice"])),
        (GOOD, {"enabled": True}, Plan(disable=["alice"])),
        (
            GOOD,
            {"active": "activating", "sub": "auto-restart", "pid": 0, "listeners": (), "door": door("0.0.0.0:31002")},
            Plan(start=["alice"], doors=["alice"]),
        ),
        (ASLEEP, {"load": "masked"}, Plan(unmask=["alice"], start=["alice"])),
        (
            ASLEEP,
            {"door": Door("masked", "inactive")},
            Plan(unmask=["alice"], enable=["alice"], start=["alice"], doors=["alice"]),
        ),
        (GOOD, {"reload": True}, Plan(reload=True)),
        (GOOD, {"door": dataclasses.replace(GOOD.door, reload=True)}, Plan(reload=True)),
        (GOOD, {"listeners": (("0.0.0.0", 20207),), "processes": 9}, Plan(restart=["alice"])),
        (GOOD, {"listeners": (("127.0.0.1", 20207), ("::", 5000)), "processes": 9}, Plan(restart=["alice"])),
    ],
)
@pytest.mark.parametrize("restart", ["idle", "always", "never"])
def test_what_is_broken_is_repaired_whatever_the_policy(
    server: Server, changes: dict[str, object], expected: Plan, restart: str
) -> None:
    plan = make_plan(PLACES, seen(server, **changes), 999.0, restart)
    assert plan == expected and plan.changed


@pytest.mark.parametrize("sub", ["start-pre", "start", "auto-restart", "stop-sigterm"])
@pytest.mark.parametrize("restart", ["idle", "always", "never"])
def test_what_is_on_its_way_is_left_to_systemd(sub: str, restart: str) -> None:
    on_its_way = seen(active="deactivating" if "stop" in sub else "activating", sub=sub, listeners=())
    assert not make_plan(PLACES, on_its_way, 999.0, restart).changed


@pytest.mark.parametrize("changes", [{"started": 998.0}, {"overridden": 1001.0}, {"door": door(HIS)}, {}])
def test_what_starts_from_old_files_starts_again(changes: dict[str, object]) -> None:
    starting = seen(active="activating", sub="start", listeners=(), **changes)
    plan = make_plan(PLACES, starting, 999.0, "idle")
    assert (plan.restart, plan.doors) == (["alice"] if changes else [], ["alice"] if "door" in changes else [])


@pytest.mark.parametrize(
    ("changes", "doors"),
    [
        ({"started": 998.0}, []),
        ({"started": 1000.0, "overridden": 1001.0}, []),
        ({"listeners": (("127.0.0.1", 20208),)}, []),
        ({"listeners": (("127.0.0.1", 20208),), "door": door("127.0.0.1:20208")}, ["alice"]),
        ({"door": CLOSED}, ["alice"]),
        ({"regrouped": True}, []),
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
    changes: dict[str, object], doors: list[str], restart: str, processes: int, restarted: bool
) -> None:
    plan = make_plan(PLACES, seen(processes=processes, **changes), 999.0, restart)
    assert (plan.restart, list(plan.pending)) == ((["alice"], []) if restarted else ([], ["alice"]))
    assert plan.doors == (doors if restarted else [])
    assert plan.changed == restarted


def test_nothing_is_there_yet() -> None:
    assert make_plan(PLACES, {}, 0.0, "idle") == Plan(enable=["alice"], start=["alice"], doors=["alice"])


@pytest.mark.parametrize(
    ("started", "changed_at", "restart", "first"),
    [
        ((1000.0, 900.0), 1001.0, "idle", ["alice"]),
        ((1000.0, 900.0), 999.0, "idle", []),
        ((0.0, 900.0), 1001.0, "idle", ["alice"]),
        # Nobody has been there since the boot.
        ((0.0, 0.0), 1001.0, "idle", []),
        ((1000.0, 900.0), 1001.0, "never", []),
    ],
)
def test_a_change_is_proved_by_one_where_all_sleep(
    started: tuple[float, float], changed_at: float, restart: str, first: list[str]
) -> None:
    sleepers = {
        **seen(ASLEEP, started=started[0]),
        "bob": dataclasses.replace(ASLEEP, name="bob", started=started[1], door=door(HIS)),
    }
    plan = make_plan({"alice": HERS, "bob": HIS}, sleepers, changed_at, restart)
    assert plan == Plan(start=first)


def test_a_change_that_a_running_server_proves_wakes_nobody() -> None:
    servers = {**seen(ASLEEP), "bob": dataclasses.replace(GOOD, name="bob", listeners=(("127.0.0.1", 28650),), door=door(HIS))}
    assert make_plan({"alice": HERS, "bob": HIS}, servers, 1001.0, "idle") == Plan(restart=["bob"])


def test_those_who_left_are_removed() -> None:
    plan = make_plan({}, seen(), 0.0, "never")
    assert plan == Plan(remove=["alice"]) and plan.changed


def test_ipv6_loopback_is_not_exposed() -> None:
    assert Server("a", listeners=(("::1", 1), ("127.0.0.53", 2))).exposed == []
    assert Server("a", listeners=(("192.0.2.1", 1),)).exposed == ["192.0.2.1:1"]


def test_a_unix_socket_is_a_door_like_another() -> None:
    places = {"alice": SOCKETS}
    behind = dataclasses.replace(GOOD, listeners=(), door=door(SOCKETS))
    assert not make_plan(places, seen(behind), 999.0, "idle").changed
    assert make_plan(places, seen(), 999.0, "idle") == Plan(restart=["alice"], doors=["alice"]), "it listens on its port yet"
    assert make_plan(PLACES, seen(behind), 999.0, "idle") == Plan(restart=["alice"], doors=["alice"])
    assert taken(places, Plan(doors=["alice"]), {}, {"17": Socket("127.0.0.1", 20207, 1003)}, guarded=True) == {}


@pytest.mark.parametrize(
    ("where", "place"), [(HERS, ("127.0.0.1", 20207)), ("[::1]:80", ("::1", 80)), (SOCKETS, None), ("", None)]
)
def test_where_a_socket_listens(where: str, place: tuple[str, int] | None) -> None:
    assert place_of(where) == place


def test_why_a_server_is_out_of_date_is_said() -> None:
    why = [
        make_plan(PLACES, seen(processes=2, **changes), 999.0, "idle").pending["alice"]
        for changes in ({"started": 1.0}, {"listeners": (("127.0.0.1", 1),)}, {"regrouped": True}, {"door": CLOSED})
    ]
    assert why == [
        "its environment or its unit has changed",
        "it has another place to listen now",
        "its owner is in other groups now",
        "systemd does not hold its door",
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
    servers = {"bob": dataclasses.replace(GOOD, name="bob", listeners=(("127.0.0.1", 28650),), door=door(HIS))}
    places = {"alice": HERS, "bob": HIS}
    plan = make_plan(places, servers, 0.0, "idle")
    sockets = {"17": Socket(address, port, 1003), "4": Socket("127.0.0.1", 28650, 0)}
    assert taken(places, plan, servers, sockets, guarded=True) == dict.fromkeys(guarded, "17")
    assert taken(places, plan, servers, sockets, guarded=False) == dict.fromkeys(unguarded, "17")


def test_whose_door_is_open_needs_no_port() -> None:
    sockets = {"17": Socket("127.0.0.1", 20207, 0)}
    for server in (GOOD, ASLEEP):
        assert taken(PLACES, make_plan(PLACES, seen(server), 0.0, "idle"), seen(server), sockets, guarded=True) == {}
    closed = seen(ASLEEP, door=CLOSED)
    assert taken(PLACES, make_plan(PLACES, closed, 0.0, "idle"), closed, sockets, guarded=True) == {"alice": "17"}


def test_two_users_may_swap_their_ports_unless_one_of_them_is_at_work() -> None:
    swapped = {"alice": HIS, "bob": HERS}
    servers = {**seen(), "bob": dataclasses.replace(GOOD, name="bob", listeners=(("127.0.0.1", 28650),), door=door(HIS))}
    sockets = {"3": Socket("127.0.0.1", 20207, 0), "4": Socket("127.0.0.1", 28650, 0)}
    assert taken(swapped, make_plan(swapped, servers, 0.0, "idle"), servers, sockets, guarded=True) == {}
    servers["bob"] = dataclasses.replace(servers["bob"], processes=5)
    plan = make_plan(swapped, servers, 0.0, "idle")
    found = taken(swapped, plan, servers, sockets, guarded=True)
    assert found == {"alice": "4"}
    plan.leave_out(found)
    assert plan.begin == plan.doors == [], "she keeps what she has"


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
        ({"restarts": 1, "since": 999.0 - PATIENCE}, 0, False),
        ({"restarts": 1}, PATIENCE, False),
    ],
)
def test_who_is_waited_for(changes: dict[str, object], waited: float, coming: bool) -> None:
    server = seen(**{"active": "activating", "sub": "start", "listeners": (), "since": 999.0, **changes})["alice"]
    assert server.coming(1000.0, 60.0, waited) == coming


def test_who_fails_gets_one_more_try() -> None:
    """What it failed for may be mended since: it is waited for until systemd has started it once more, and no longer."""
    changes = {"active": "activating", "sub": "auto-restart", "result": "exit-code", "restarts": 1, "since": 999.0}
    server = seen(listeners=(), **changes)["alice"]
    assert server.coming(1000.0, 60.0, 0)
    assert not server.coming(1000.0, 60.0, 0, tried=True)
    assert not server.coming(1000.0, 60.0, PATIENCE)


def test_a_try_that_is_counted_and_not_begun_is_waited_for() -> None:
    changes = {"active": "activating", "sub": "auto-restart-queued", "result": "exit-code", "restarts": 2, "since": 999.0}
    server = seen(listeners=(), **changes)["alice"]
    assert server.coming(1000.0, 60.0, 0, tried=True)
    assert not server.coming(1000.0, 60.0, PATIENCE, tried=True)


def test_the_diff_tells_before_from_after() -> None:
    places = {"alice": HERS, "bob": "127.0.0.1:1", "carol": HIS}
    stopped = {
        **seen(active="failed", sub="failed", pid=0, listeners=(), result="exit-code"),
        "carol": dataclasses.replace(ASLEEP, name="carol", door=door(HIS)),
        "eve": dataclasses.replace(GOOD, name="eve"),
    }
    plan = make_plan(places, stopped, 0.0, "idle")
    assert describe({*places, *stopped}, stopped).splitlines() == [
        f"alice: failed; door {HERS}, enabled",
        "bob: absent",
        f"carol: asleep; door {HIS}, enabled",
        f"eve: active; door {HERS}, enabled",
    ]
    assert describe_wanted(places, stopped, plan).splitlines() == [
        f"alice: active; door {HERS}, enabled",
        "bob: active; door 127.0.0.1:1, enabled",
        f"carol: asleep; door {HIS}, enabled",
        "eve: absent",
    ]


@pytest.mark.parametrize("server", [GOOD, ASLEEP])
def test_a_diff_of_nothing_is_empty(server: Server) -> None:
    assert describe(PLACES, seen(server)) == describe_wanted(PLACES, seen(server), make_plan(PLACES, seen(server), 0.0, "idle"))


def test_a_restart_shows_in_the_diff() -> None:
    old = seen(started=1.0)
    assert describe(PLACES, old) != describe_wanted(PLACES, old, make_plan(PLACES, old, 999.0, "idle"))


def test_parse_show_takes_each_unit_once() -> None:
    text = "Id=jupyter@a.service\nMainPID=3\n\nId=jupyter@b.service\nMainPID=0\n\nMainPID=3\nId=jupyter@a.service\n"
    assert parse_show(text) == [
        {"Id": "jupyter@a.service", "MainPID": "3"},
        {"Id": "jupyter@b.service", "MainPID": "0"},
    ]
    assert parse_show("") == []
    listens = "Id=jupyter@a.socket\nListen=127.0.0.1:1 (Stream)\nListen=[::1]:2 (Stream)\n"
    assert parse_show(listens)[0]["Listen"].splitlines() == ["127.0.0.1:1 (Stream)", "[::1]:2 (Stream)"]


@pytest.mark.parametrize(
    ("unit", "name"),
    [("jupyter@a-b.c.service", "a-b.c"), ("jupyter@.service", None), ("jupyterhub@a.service", None), ("jupyter@a.socket", None)],
)
def test_name_of(unit: str, name: str) -> None:
    assert name_of(unit) == name
    assert name_of(unit, "socket") == ("a" if unit == "jupyter@a.socket" else None)


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
    lines = unit_lines(home, "user-1001.slice", None, {}).splitlines()
    assert lines[:2] == ["[Service]", "Slice=user-1001.slice"] and lines[-1] == f'ReadOnlyPaths="-{path}/.ssh"'


def test_the_unit_is_told_the_devices() -> None:
    assert unit_lines("", "s.slice", ["/dev/nvidia1"], {"CUDA_VISIBLE_DEVICES": "GPU-1"}).splitlines()[2:] == [
        "DeviceAllow=",
        'DeviceAllow="/dev/nvidia1" rw',
        'Environment="CUDA_VISIBLE_DEVICES=GPU-1"',
    ]
    assert "DeviceAllow=\n" in unit_lines("", "s.slice", [], {}), "none at all is not the template's"
    assert "DeviceAllow" not in unit_lines("", "s.slice", None, {})


def test_the_door_is_told_its_place() -> None:
    assert door_lines(HERS) == f"[Socket]\nListenStream={HERS}\n"
