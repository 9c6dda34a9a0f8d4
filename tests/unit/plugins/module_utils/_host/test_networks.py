# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.networks import with_address

LISTED = ["127.0.0.1/8", "::1", "lab.example", "192.0.2.0/24", "2001:db8::/32"]


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9", "127.9.9.9", "::1", "::ffff:192.0.2.9", "", None])
def test_what_is_covered_is_not_added(address: str | None) -> None:
    assert with_address(LISTED, address) == LISTED


@pytest.mark.parametrize(
    ("address", "added"),
    [("198.51.100.1", "198.51.100.1"), ("fe80::1%eth0", "fe80::1"), ("::ffff:198.51.100.1", "198.51.100.1")],
)
def test_what_is_not_covered_is_added(address: str, added: str) -> None:
    assert with_address(LISTED, address) == [*LISTED, added]


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        with_address([], "nonsense")
