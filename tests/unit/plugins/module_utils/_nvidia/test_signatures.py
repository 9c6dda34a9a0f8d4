# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import signatures


@pytest.mark.parametrize(
    ("variable", "unchecked", "expected"),
    [
        (None, None, "unsupported"),
        (b"\x06\x00\x00\x00\x01", None, "enabled"),
        (b"\x06\x00\x00\x00\x01", b"\x06\x00\x00\x00\x00", "enabled"),
        (b"\x06\x00\x00\x00\x01", b"\x06\x00\x00\x00\x01", "disabled"),
        (b"\x06\x00\x00\x00\x00", None, "disabled"),
        (b"", None, "disabled"),
    ],
)
def test_secure_boot(variable: bytes | None, unchecked: bytes | None, expected: str) -> None:
    assert signatures.state_of(variable, unchecked) == expected


def test_a_key_is_enrolled_when_a_list_holds_the_certificate() -> None:
    certificate = b"0\x82\x03" + b"certificate"
    assert signatures.key_enrolled(certificate, [b"other", b"header" + certificate + b"tail"])
    assert not signatures.key_enrolled(certificate, [b"other"])
    assert not signatures.key_enrolled(None, [b"anything"])
    assert not signatures.key_enrolled(b"", [b"anything"])


@pytest.mark.parametrize(
    ("parameter", "lockdown", "expected"),
    [
        ("", "", False),
        ("N\n", "[none] integrity confidentiality\n", False),
        ("Y\n", "[none] integrity confidentiality\n", True),
        ("N\n", "none [integrity] confidentiality\n", True),
        ("N\n", "none integrity [confidentiality]\n", True),
    ],
)
def test_a_kernel_that_asks_for_signatures(parameter: str, lockdown: str, expected: bool) -> None:
    assert signatures.enforced(parameter, lockdown) is expected


@pytest.mark.parametrize(
    ("state", "enforced", "enrolled", "expected"),
    [
        ("unsupported", False, False, False),
        ("unsupported", True, False, True),
        ("disabled", True, True, False),
        ("enabled", False, False, True),
        ("enabled", True, True, False),
    ],
)
def test_a_module_is_refused_where_signatures_are_asked_for_and_no_key_is_enrolled(
    state: str, enforced: bool, enrolled: bool, expected: bool
) -> None:
    assert signatures.refused({"state": state, "enforced": enforced, "key_enrolled": enrolled}) is expected
