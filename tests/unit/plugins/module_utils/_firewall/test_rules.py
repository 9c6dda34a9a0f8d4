# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall import rules as firewall
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.firewall import check


def lines(ssh_from: list[str], *allow: dict[str, t.Any], names: tuple[str, ...] = ()) -> list[str]:
    """The rules that depend on data."""
    text = firewall.render("h", firewall.rules(ssh_from, allow, names))
    return [line.strip() for line in text.splitlines() if re.search(r"dport .* accept", line) and "sport" not in line]


SSH = 'tcp dport @ssh_ports accept comment "SSH"'


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"port": 443}, ["tcp dport 443 accept"]),
        ({"port": "8000-8100", "protocol": "udp", "comment": "x y"}, ['udp dport 8000-8100 accept comment "x y"']),
        ({"port": "80-80"}, ["tcp dport 80 accept"]),
        ({"port": 1, "from": ["192.0.2.7"]}, ["ip saddr { 192.0.2.7/32 } tcp dport 1 accept"]),
        ({"port": 1, "from": ["2001:db8::/32"]}, ["ip6 saddr { 2001:db8::/32 } tcp dport 1 accept"]),
        (
            {"port": 1, "from": ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "fd00::1", "192.0.2.7/24"]},
            ["ip saddr { 10.0.0.0/8, 192.0.2.0/24 } tcp dport 1 accept", "ip6 saddr { fd00::1/128 } tcp dport 1 accept"],
        ),
        ({"port": 1, "from": ["0.0.0.0/0"]}, ["meta nfproto ipv4 tcp dport 1 accept"]),
        ({"port": 1, "from": ["::/0"]}, ["meta nfproto ipv6 tcp dport 1 accept"]),
    ],
)
def test_an_entry_in_the_words_of_nft(entry: dict[str, t.Any], expected: list[str]) -> None:
    assert lines([], entry) == [SSH, *expected]


def test_an_entry_is_for_the_hosts_that_it_names() -> None:
    entries = [{"port": 1, "hosts": ["web"]}, {"port": 2, "hosts": ["gpu-01", "x"]}, {"port": 3, "hosts": ["mail"]}]
    assert lines([], *entries, names=("gpu-01", "web")) == [SSH, "tcp dport 1 accept", "tcp dport 2 accept"]


FOUR = "add @sources_443_9_ipv4 { ip saddr ct count over 9 } reject with tcp reset"
SIX = "add @sources_443_9_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 9 } reject with tcp reset"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], [f"tcp dport 443 {FOUR}", f"tcp dport 443 {SIX}", "tcp dport 443 accept"]),
        (
            ["192.0.2.0/24"],
            [f"ip saddr {{ 192.0.2.0/24 }} tcp dport 443 {FOUR}", "ip saddr { 192.0.2.0/24 } tcp dport 443 accept"],
        ),
        (["::/0"], [f"meta nfproto ipv6 tcp dport 443 {SIX}", "meta nfproto ipv6 tcp dport 443 accept"]),
    ],
)
def test_who_has_enough_connections_is_refused_before_the_rest_is_let_in(sources: list[str], expected: list[str]) -> None:
    entry = {"port": 443, "from": sources, "connections_per_source": 9}
    text = firewall.render("h", firewall.rules([], [entry], []))
    assert [line.strip() for line in text.splitlines() if line.strip() and "443" in line and "dport" in line] == expected


def test_two_limits_of_a_port_are_counted_apart() -> None:
    entries = [{"port": 443, "from": ["10.0.0.1"], "connections_per_source": 2000}, {"port": 443, "connections_per_source": 9}]
    text = firewall.render("h", firewall.rules([], entries, []))
    assert re.findall(r"add @(sources_443_\d+_ipv4) { ip saddr ct count over (\d+)", text) == [
        ("sources_443_2000_ipv4", "2000"),
        ("sources_443_9_ipv4", "9"),
    ]


def test_connections_are_counted_for_each_port_once() -> None:
    entries = [{"port": port, "from": [net], "connections_per_source": 9} for port in (443, 80) for net in ("10.0.0.0/8", "::/0")]
    text = firewall.render("h", firewall.rules([], [*entries, {"port": 22}], []))
    assert re.findall(r"set (sources_\S+) ", text) == [
        f"sources_{port}_9_ipv{version}" for port in (443, 80) for version in (4, 6)
    ]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"port": 0}, "entry 1: found port '0'"),
        ({"port": 65536}, "found port '65536'"),
        ({"port": "90-80"}, "found port '90-80'"),
        ({"port": "http"}, "found port 'http'; expected a number"),
        ({"port": "80; drop"}, "found port '80; drop'"),
        ({"port": 1, "protocol": "sctp"}, "found protocol 'sctp'; expected tcp or udp"),
        ({"port": 1, "from": ["lab.example"]}, "found 'lab.example'; expected an address or a network"),
        ({"port": 1, "comment": 'a" accept; #'}, "expected at most 128 bytes without quotes"),
        ({"port": 1, "comment": "a\nb"}, "without quotes"),
        ({"port": 1, "comment": "ü" * 65}, "at most 128 bytes"),
        ({"port": 1, "from": ["x"], "hosts": ["others"]}, "found 'x'"),
        ({"port": 1, "connections_per_source": -1}, "found connections_per_source -1 for tcp"),
        ({"port": 1, "protocol": "udp", "connections_per_source": 9}, "found connections_per_source 9 for udp"),
    ],
)
def test_what_cannot_be_had_is_named(entry: dict[str, t.Any], says: str) -> None:
    (problem,) = check({"firewall_allow": [entry]})
    assert says in problem


def test_other_variables() -> None:
    assert "firewall_ssh_from: found 'x'" in check({"firewall_ssh_from": ["x"]})[0]
    assert "at least 30 s" in check({"firewall_undo_after": 5})[0]
    assert check({"firewall_ssh_from": ["192.0.2.0/24"], "firewall_allow": [{"port": "1"}], "firewall_undo_after": 30}) == []


@pytest.mark.parametrize(
    ("ssh_from", "allow", "address", "port", "cut_off"),
    [
        ([], [], "192.0.2.7", 2222, False),
        ([], [], "192.0.2.7", 22, True),
        (["192.0.2.0/24"], [], "192.0.2.7", 2222, False),
        (["192.0.2.0/24"], [], "::ffff:192.0.2.7", 2222, False),
        (["192.0.2.0/24"], [], "198.51.100.7", 2222, True),
        (["192.0.2.0/24"], [], "2001:db8::1", 2222, True),
        (["fe80::/10"], [], "fe80::1%eth0", 2222, False),
        (["192.0.2.0/24"], [{"port": "2000-3000"}], "198.51.100.7", 2222, False),
        (["192.0.2.0/24"], [{"port": 2222, "protocol": "udp"}], "198.51.100.7", 2222, True),
        ([], [{"port": 22}], "192.0.2.7", 22, False),
    ],
)
def test_who_is_logged_in_comes_in_again(
    ssh_from: list[str], allow: list[dict[str, t.Any]], address: str, port: int, cut_off: bool
) -> None:
    assert firewall.cut_off(firewall.rules(ssh_from, allow, []), [2222], address, port) is cut_off


def test_ports_of_sshd() -> None:
    assert firewall.ssh_ports_file([2222, 22, 22]).splitlines()[1:] == [
        "flush set inet research_server ssh_ports",
        "add element inet research_server ssh_ports { 22, 2222 }",
    ]
    assert len(firewall.ssh_ports_file([]).splitlines()) == 2


def test_no_table_but_its_own_is_named() -> None:
    texts = [firewall.render("h", []), firewall.ssh_ports_file([1]), firewall.unit("h", "nft"), firewall.restore("")]
    for line in "\n".join(texts).splitlines():
        if line.lstrip().startswith("#"):
            continue
        assert "flush ruleset" not in line
        assert "table " not in line or "inet research_server" in line


def test_what_is_loaded_where_the_rules_cannot_be_lets_ssh_in_from_where_it_was() -> None:
    wanted = firewall.rules(["192.0.2.0/24"], [{"port": 443}], ["gpu1"])
    text = firewall.closed(wanted)
    assert "443" not in text
    assert "ip saddr { 192.0.2.0/24 } tcp dport @ssh_ports" in text
    assert "policy drop" in text


def test_stopping_the_service_takes_no_rule_away() -> None:
    unit = firewall.unit("Managed", "/usr/sbin/nft")
    assert "ExecStop" not in unit
    assert "StartLimitIntervalSec=0" in unit
    before = next(line for line in unit.splitlines() if line.startswith("Before="))
    assert {"network-pre.target", "sysinit.target"} <= set(before.removeprefix("Before=").split())


@pytest.mark.parametrize(
    ("vendor", "configuration"),
    [
        ("[Service]\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\n", "/etc/nftables.conf"),
        ("[Service]\nExecStart=/sbin/nft -f /etc/sysconfig/nftables.conf\n", "/etc/sysconfig/nftables.conf"),
    ],
)
def test_the_distributions_service_loads_ours_in_the_same_step(vendor: str, configuration: str) -> None:
    text = firewall.nftables_dropin("Managed", "/usr/sbin/nft", vendor) or ""
    commands = [line.partition("=")[2] for line in text.splitlines() if line.startswith("Exec") and not line.endswith("=")]
    assert len(commands) == 3
    assert all('include "/etc/research-server/firewall.nf[t]"' in command for command in commands)
    assert [f'include "{configuration}"' in command for command in commands] == [True, True, False]


@pytest.mark.parametrize("vendor", ["", "[Service]\nExecStart=/usr/local/bin/load-rules\n", "ExecStart=nft -f '/etc/a b'\n"])
def test_a_service_of_another_form_is_left_alone(vendor: str) -> None:
    assert firewall.nftables_dropin("Managed", "/usr/sbin/nft", vendor) is None


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        (["gpu_servers", "gpu-01"], ""),
        (["finance"], "firewall_allow, entry 1: found 'finance'; expected a host or group of the inventory; correct the name"),
        (["gpu_server"], "did you mean 'gpu_servers'?"),
    ],
)
def test_an_entry_for_nobody_is_refused(hosts: list[str], words: str) -> None:
    variables = {"firewall_allow": [{"port": "443", "hosts": hosts}], "inventory_names": {"all", "gpu_servers", "gpu-01"}}
    problems = check(variables)
    assert bool(problems) == bool(words)
    assert words in "".join(problems)
    assert check({**variables, "inventory_names": set()}) == []
