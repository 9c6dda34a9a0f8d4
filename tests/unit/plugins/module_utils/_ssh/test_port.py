# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may listen on sshd's port, and in which order that is brought about."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.listening import Holder, Listener
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import port
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.port import Phase, Ports

DEBIAN = Ports("ssh.service", (22,), inherits=True)
UPSTREAM = Ports("sshd.service", (22,))


def host(told: tuple[int, ...] = (22,), **values: t.Any) -> Ports:
    return DEBIAN._replace(told=told, **values)


SSHD = {1: [Holder(7, "sshd", 0)], 2: [Holder(1, "systemd", 0), Holder(7, "sshd", 0)]}


@pytest.mark.parametrize(
    ("found", "holders", "intruder"),
    [
        (Listener("::", 2222, 0, 1), SSHD, ""),
        (Listener("::", 2222, 0, 2), SSHD, ""),
        # The name of a program is not enough: his sshd is not root's.
        (
            Listener("::1", 2222, 4000000000, 1),
            {1: [Holder(9, "sshd", 4000000000)]},
            "sshd (process 9) of uid 4000000000 on [::1]:2222",
        ),
        (Listener("::1", 2222, 0, 1), {1: [Holder(9, "nginx", 0)]}, "nginx (process 9) of root (uid 0) on [::1]:2222"),
        (Listener("::1", 2222, 0, 3), SSHD, "a program of root (uid 0) on [::1]:2222"),
        (Listener("::1", 80, 4000000000, 3), SSHD, ""),
    ],
)
def test_who_but_sshd_listens(found: Listener, holders: dict[int, list[Holder]], intruder: str) -> None:
    assert port.intruders([found], holders, [2222]) == ([intruder] if intruder else [])


@pytest.mark.parametrize(
    ("held", "ipv6", "silent"),
    [
        ([("0.0.0.0", 1), ("::", 2)], True, []),
        ([("0.0.0.0", 1)], True, [":: port 2222"]),
        ([("0.0.0.0", 1)], False, []),
        # One socket for both.
        ([("::", 2)], True, []),
        ([], True, ["0.0.0.0 port 2222", ":: port 2222"]),
    ],
)
def test_where_sshd_is_silent(held: list[tuple[str, int]], ipv6: bool, silent: list[str]) -> None:
    listeners = [Listener(address, 2222, 0, inode) for address, inode in held]
    assert port.silent([("0.0.0.0", 2222), ("::", 2222)], listeners, SSHD, ipv6=ipv6) == silent


@pytest.mark.parametrize(
    ("address", "loopback6", "there"),
    [
        ("0.0.0.0", True, "127.0.0.1"),
        ("::", True, "::1"),
        # IPv6 is switched off, and sshd listens there all the same: nobody can come that way, or those who come with IPv4.
        ("::", False, "127.0.0.1"),
        ("192.0.2.1", True, "192.0.2.1"),
    ],
)
def test_where_sshd_is_found(address: str, loopback6: bool, there: str) -> None:
    assert port.answers_at(address, loopback6=loopback6) == there


@pytest.mark.parametrize(
    ("facts", "ports", "systemd", "start"),
    [
        (host(), (22,), False, 1024),
        (host(), (2222,), False, 2223),
        (host(), (922,), False, 1024),
        (host(), (2999,), False, 3000),
        (host(), (3000,), True, 1024),
        (host(), (22022,), True, 1024),
        (host(start=0), (22,), False, 1024),
        # Rootless containers of the lab: their limit stays where sshd does not need more.
        (host(start=80, other_starts={"/etc/sysctl.d/99-x.conf:1": 80}), (22,), False, 80),
        (host(start=80, other_starts={"/etc/sysctl.d/99-x.conf:1": 80}), (2222,), False, 2223),
        (host(start=0, other_starts={"/etc/sysctl.d/99-x.conf:1": 0}), (22,), False, 23),
        (host(other_starts={"/a:1": 80, "/b:1": 5000}), (2222,), False, 5000),
        # Ours from before goes with the port; what somebody raised by hand stays.
        (host(start=2301, own_start=2301), (2222,), False, 2223),
        (host(start=4000, own_start=2223), (2222,), False, 4000),
        # A container that may not set it.
        (host(start=0, settable=False), (2222,), True, None),
        (host(start=2223, settable=False), (2222,), False, None),
        # Nothing else starts sshd, as on Ubuntu.
        (host(sockets=("ssh.socket",), enabled=False), (2222,), True, 2223),
        (host(sockets=("ssh.socket",)), (2222,), False, 2223),
        (host((22022,), sockets=("research-server-sshd-22022.socket",)), (2222,), False, 2223),
        (UPSTREAM, (22022,), False, 1024),
        (UPSTREAM._replace(start=0, settable=False), (2222,), False, None),
    ],
)
def test_how_a_port_is_kept(facts: Ports, ports: tuple[int, ...], systemd: bool, start: int | None) -> None:
    assert port.by_systemd(facts, ports) is systemd
    assert port.start_for(facts, ports) == start


@pytest.mark.parametrize(
    ("facts", "ports", "unprotected"),
    [
        (host(), (22, 2222, 22022), []),
        (UPSTREAM, (22, 2222), []),
        (UPSTREAM, (22022,), [22022]),
        (UPSTREAM._replace(start=0, settable=False), (22, 2222), [22, 2222]),
        (UPSTREAM._replace(start=30000, settable=False), (22022,), []),
    ],
)
def test_what_cannot_be_kept_is_known(facts: Ports, ports: tuple[int, ...], unprotected: list[int]) -> None:
    assert port.unprotected(facts, ports) == unprotected


@pytest.mark.parametrize(
    ("number", "start", "sockets", "says"),
    [
        (22, 1024, [], "ports below 1024 are root's (net.ipv4.ip_unprivileged_port_start)"),
        (2222, 2223, [], "ports below 2223 are root's (net.ipv4.ip_unprivileged_port_start)"),
        (2222, 1024, [], ""),
        (22, 0, [], ""),
        (22022, 1024, ["research-server-sshd-22022.socket"], "systemd holds it (research-server-sshd-22022.socket)"),
        (22022, 1024, ["research-server-sshd-2222.socket"], ""),
    ],
)
def test_what_keeps_it_now(number: int, start: int, sockets: list[str], says: str) -> None:
    assert port.protection(number, start=start, sockets=sockets) == says


class TestPhases:
    def test_a_move_by_sshd_itself(self) -> None:
        staged, final, back = port.phases(host((2222,), start=2223, own_start=2223), (2300,))
        assert staged == Phase((2300, 2222), 2301)
        assert final == Phase((2300,), 2301)
        assert back == Phase((2222,), 2223)

    def test_a_move_to_a_high_port_is_one_to_systemd(self) -> None:
        staged, final, back = port.phases(host((2222,), start=2223, own_start=2223), (22022,))
        both = ("research-server-sshd-22022.socket", "research-server-sshd-2222.socket")
        assert staged == Phase((22022, 2222), 2223, both)
        assert final == Phase((22022,), 1024, both[:1], stop=both[1:])
        assert back == Phase((2222,), 2223, (), stop=both)

    def test_a_socket_in_use_is_never_changed(self) -> None:
        now = ("research-server-sshd-22022.socket",)
        staged, final, back = port.phases(host((22022,), sockets=now), (22023,))
        assert staged.stop == () and set(now) < set(staged.sockets)
        assert final.sockets == back.stop == ("research-server-sshd-22023.socket",)
        assert back.sockets == final.stop == now

    def test_a_move_back_leaves_systemd_last(self) -> None:
        now = ("research-server-sshd-22022.socket",)
        staged, final, back = port.phases(host((22022,), sockets=now), (2222,))
        assert staged == Phase((2222, 22022), 2223, ("research-server-sshd-2222.socket", *now))
        assert final == Phase((2222,), 2223, (), stop=staged.sockets)
        assert back == Phase((22022,), 1024, now, stop=staged.sockets[:1])

    def test_the_distributions_socket_makes_way(self) -> None:
        staged, final, back = port.phases(host((22,), sockets=("ssh.socket",), enabled=False), (2222,))
        assert staged.stop == final.disable == back.sockets == ("ssh.socket",)
        assert set(back.stop) == set(staged.sockets)

    def test_where_no_socket_can_be_inherited_systemds_makes_way(self) -> None:
        staged, final, back = port.phases(UPSTREAM._replace(sockets=("sshd.socket",)), (2222,))
        assert staged.sockets == final.sockets == ()
        assert staged.stop == final.disable == back.sockets == ("sshd.socket",)


class TestCommands:
    def test_the_limit_covers_the_port_before_anything_is_let_go(self) -> None:
        facts = host((2222,), start=1024)
        staged, _final, _back = port.phases(facts, (22022,))
        lines = port.commands(facts, staged, sshd="sshd", runtime="/run/sshd", first=["open"])
        assert lines[:3] == [f"echo 22023 > {port.START}", "open", "systemctl daemon-reload"]
        assert lines[-1] == f"echo 2223 > {port.START}"
        change = lines[-2].splitlines()
        assert change[0] == "mkdir -p /run/sshd && sshd -t && {"
        assert [line.split()[1] for line in change[1:-1]] == ["stop", "start", "start"]

    def test_a_reload_is_enough_where_sshd_listens_itself(self) -> None:
        facts = host((2222,), start=2223)
        lines = port.commands(facts, port.phases(facts, (2222,))[0], sshd="sshd", runtime="/run/sshd")
        assert "systemctl reload-or-restart ssh.service" in lines[-2]
        assert "systemctl stop" not in "\n".join(lines)

    def test_what_cannot_be_set_is_not_tried(self) -> None:
        facts = host((2222,), start=2223, settable=False)
        lines = port.commands(facts, port.phases(facts, (2222,))[0], sshd="sshd", runtime="/run/sshd")
        assert port.START not in "\n".join(lines)


def test_starts_in_files() -> None:
    text = "# net.ipv4.ip_unprivileged_port_start=1\n-net/ipv4/ip_unprivileged_port_start = 80\nnet.ipv4.ip_unprivileged_port_start=443\n"
    assert port.parse_starts({"/a": text, "/b": "net.ipv4.ip_forward=1\n"}) == {"/a:2": 80, "/a:3": 443}


def test_sockets_that_are_in_use() -> None:
    shown = (
        "Listen=[::]:22 (Stream)\nId=ssh.socket\nActiveState=inactive\n\n"
        "Listen=0.0.0.0:4022 (Stream)\nListen=[::]:4022 (Stream)\nListen=/run/x (Stream)\nId=a.socket\nActiveState=active\n"
    )
    assert port.parse_sockets(shown) == {"a.socket": [("0.0.0.0", 4022), ("::", 4022)]}


def test_a_unit_listens_on_each_address() -> None:
    text = port.socket_text("h", 22022, "ssh.service", ["192.0.2.1", "::"])
    assert "ListenStream=192.0.2.1:22022\nListenStream=[::]:22022\n" in text and "Service=ssh.service" in text
