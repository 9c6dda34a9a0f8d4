# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.openlab.research_server.plugins.filter.jupyter_port import FilterModule
from ansible_collections.openlab.research_server.plugins.plugin_utils._jupyter.port import collisions, free_port, port_of
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.", min_size=1, max_size=32)
jupyter_port = FilterModule().filters()["jupyter_port"]


@pytest.mark.parametrize(("name", "port"), [("alice", 20207), ("bob", 28650), ("zoë", 22117)])
def test_ports_never_change(name: str, port: int) -> None:
    """People have these in their tunnel commands: another algorithm would break all of them."""
    assert jupyter_port(name) == port


@given(NAMES)
def test_ports_are_below_the_ephemeral_range(name: str) -> None:
    assert 20000 <= port_of(name) <= 29999


def test_an_explicit_port_wins() -> None:
    assert jupyter_port("alice", {"alice": 31000, "bob": 31001}) == 31000
    assert jupyter_port("alice", {"bob": 31001}) == 20207


@pytest.mark.parametrize("name", ["", None, 7])
def test_only_names_have_ports(name: object) -> None:
    with pytest.raises(AnsibleFilterError, match="expected a login name"):
        jupyter_port(name)


@given(st.lists(NAMES, max_size=30))
def test_collisions_are_those_ports_that_several_names_share(names: list[str]) -> None:
    shared = collisions(names)
    ports = [port_of(name) for name in set(names)]
    assert {port for port in ports if ports.count(port) > 1} == set(shared)
    assert all(port_of(name) == port for port, owners in shared.items() for name in owners)


def test_explicit_ports_collide_too() -> None:
    assert collisions(["alice", "bob", "bob"], {"bob": 20207}) == {20207: ["alice", "bob"]}


def test_a_free_port_wraps_around_at_the_end_of_the_pool() -> None:
    assert free_port(29999, [29999, 20000, 20001]) == 20002
