# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError
from ansible_collections.openlab.research_server.plugins.modules.sshd_config import addresses, refuse_unspoken


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["192.0.2.0/24", "2001:db8::1", "192.0.2.0/24"], ["192.0.2.0/24", "2001:db8::1"]),
        (["no-such-host.invalid", "192.0.2.7"], ["192.0.2.7"]),
    ],
)
def test_networks_stay_and_unknown_names_go(names: list[str], expected: list[str]) -> None:
    assert addresses(names) == expected


def test_names_become_addresses() -> None:
    assert "127.0.0.1" in addresses(["localhost"])


def test_settings_that_the_client_cannot_speak_are_refused() -> None:
    plan: t.Any = SimpleNamespace(settings={"KexAlgorithms": ["new"], "Port": [2222]})
    refuse_unspoken(plan, {"KexAlgorithms": ["old", "new"]})
    refuse_unspoken(plan, {})
    with pytest.raises(RefusedError) as caught:
        refuse_unspoken(plan, {"KexAlgorithms": ["old"]})
    assert "KexAlgorithms" in caught.value.cause
    assert caught.value.way_out.startswith("Update OpenSSH on the controller") and "Nothing has been changed" in str(caught.value)
