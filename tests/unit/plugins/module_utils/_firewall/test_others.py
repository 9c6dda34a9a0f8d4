# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall import others
from ansible_collections.openlab.research_server.plugins.module_utils._host.runner import RefusedError
from ansible_collections.openlab.research_server.plugins.modules import firewall


@pytest.mark.parametrize(
    ("ufw", "units", "expected"),
    [
        ("", set(), []),
        ("ENABLED=no\n", set(), []),
        ("# ENABLED=yes\n", set(), []),
        ('ENABLED="yes"\n', set(), ["ufw"]),
        ("  enabled = 'yes'\n", set(), ["ufw"]),
        ("ENABLED=yesterday\n", set(), []),
        ("LOGLEVEL=low\nENABLED=yes\n", {"ssh.service"}, ["ufw"]),
        ("", {"firewalld.service", "netfilter-persistent.service"}, ["firewalld", "iptables-persistent"]),
    ],
)
def test_other_firewalls_are_named(ufw: str, units: set[str], expected: list[str]) -> None:
    assert others.switched_on(ufw, units) == expected


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({}, []),
        ({"etc/systemd/system/multi-user.target.wants/shorewall.service": "/usr/lib/systemd/system/x"}, ["shorewall"]),
        ({"etc/systemd/system/basic.target.wants/shorewall.service": "/usr/lib/systemd/system/x"}, ["shorewall"]),
        ({"etc/systemd/system/multi-user.target.wants/netfilter-persistent.service": "x"}, ["iptables-persistent"]),
        ({"etc/systemd/system/multi-user.target.wants/ssh.service": "x"}, []),
        # Started by hand: it is in charge all the same.
        ({"run/systemd/units/invocation:firewalld.service": "0123"}, ["firewalld"]),
        # Removed, not purged.
        (
            {
                "etc/systemd/system/multi-user.target.wants/firewalld.service": "x",
                "etc/systemd/system/firewalld.service": "/dev/null",
            },
            [],
        ),
    ],
)
def test_other_firewalls_are_found_on_a_host(tmp_path: Path, links: dict[str, str], expected: list[str]) -> None:
    for path, target in links.items():
        link(tmp_path / path, target)
    assert others.found(str(tmp_path)) == expected


def test_what_is_switched_on_in_a_file_is_found_too(tmp_path: Path) -> None:
    link(tmp_path / "etc/systemd/system/multi-user.target.wants/firewalld.service", "x")
    (tmp_path / "etc/ufw").mkdir()
    (tmp_path / "etc/ufw/ufw.conf").write_text('ENABLED="yes"\n')
    assert others.found(str(tmp_path)) == ["ufw", "firewalld"]


def test_the_module_refuses_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "found", lambda: ["shorewall", "iptables-persistent"])
    with pytest.raises(RefusedError, match="found shorewall and iptables-persistent active; expected no second firewall"):
        firewall.apply(SimpleNamespace(params={}), None, None)
