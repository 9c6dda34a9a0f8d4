# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text; what it does to packets is shown by the scenarios `jupyter` and `colleague`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall import loopback

OWNERS = {28650: 1002, 20398: 1001}


def chains(isolation: str, owners: dict[int, int], shared: list[int], guests: Sequence[int] = ()) -> dict[str, list[str]]:
    """Chain -> its rules."""
    text = loopback.render("h", isolation, owners, shared, guests)
    found = re.findall(r"chain (\w+) \{\n(.*?)\n    \}", text, re.DOTALL)
    return {name: [line.strip() for line in rules.split("\n") if not line.strip().startswith("type ")] for name, rules in found}


def test_a_port_has_one_owner_who_connects_and_one_who_answers() -> None:
    found = chains("servers", OWNERS, [])
    assert found["to_server"][0] == "ip daddr 127.0.0.1 meta skuid . tcp dport { 1001 . 20398, 1002 . 28650 } return"
    assert found["from_server"][0] == "meta skuid 0 return", "systemd, which listens for it"
    assert found["from_server"][1] == "meta skuid . tcp sport { 1001 . 20398, 1002 . 28650 } return"
    assert found["input"] == [
        'iifname != "lo" tcp flags & (syn | ack) == syn tcp dport { 20398, 28650 } counter reject with tcp reset'
    ]


def test_a_web_server_asks_and_never_answers() -> None:
    found, without = chains("people", OWNERS, [], [33]), chains("people", OWNERS, [])
    assert found["to_server"][0] == (
        "ip daddr 127.0.0.1 meta skuid . tcp dport { 1001 . 20398, 33 . 20398, 1002 . 28650, 33 . 28650 } return"
    )
    assert {name: rules for name, rules in found.items() if name != "to_server"} == {
        name: rules for name, rules in without.items() if name != "to_server"
    }


@pytest.mark.parametrize("isolation", ["people", "servers"])
def test_what_fits_is_accepted_and_the_rest_is_not(isolation: str) -> None:
    """A rule that drops what does not fit lets SYN cookies pass."""
    found = chains(isolation, OWNERS, [65000])
    assert "skuid !=" not in str(found)
    for name in {"to_server", "from_server", "answer"} & set(found):
        assert re.fullmatch(r"counter (drop|reject with tcp reset)", found[name][-1]), name


def test_the_owner_is_asked_before_everything_else() -> None:
    found = chains("people", OWNERS, [65000])["output"]
    assert [rule.rpartition("jump ")[2] for rule in found if "jump" in rule] == ["from_server", "to_server", "ask", "answer"]


def test_shared_ports_answer_everybody() -> None:
    assert "tcp sport { 6006, 65000 } accept" in chains("people", OWNERS, [65000, 6006, 6006])["answer"]
    assert not any("sport {" in rule for rule in chains("people", OWNERS, [])["answer"])


def test_there_is_no_more_than_is_needed() -> None:
    assert set(chains("people", {}, [])) == {"ask", "answer", "output"}
    assert set(chains("servers", OWNERS, [1])) == {"input", "to_server", "from_server", "output"}
    assert set(chains("servers", {}, [])) == {"output"}


def test_it_replaces_itself_in_one_step() -> None:
    lines = [line for line in loopback.render("h", "people", OWNERS, []).splitlines() if not line.startswith("#")]
    assert lines[:3] == [f"table {loopback.TABLE}", f"delete table {loopback.TABLE}", f"table {loopback.TABLE} {{"]


def test_the_unit_fails_closed() -> None:
    lines = loopback.unit("h", "/sbin/nft").splitlines()
    assert not any(line.startswith("ExecStop") for line in lines)
    assert {"DefaultDependencies=no", "StartLimitIntervalSec=0", "WantedBy=sysinit.target", "PartOf=nftables.service"} < set(
        lines
    )
    assert "ExecReload=/sbin/nft -f /etc/research-server/loopback.nft" in lines
    before = next(line for line in lines if line.startswith("Before="))
    assert {"network-pre.target", "sysinit.target"} < set(before.partition("=")[2].split()), "nobody is in before it"
