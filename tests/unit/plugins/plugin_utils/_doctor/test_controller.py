# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor import controller

HYBRID = ("mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com")


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        ("2.18.0", "ok"),
        ("2.19.14", "ok"),
        ("2.20.0rc1", "ok"),
        ("2.18.0.dev0", "ok"),
        ("3.0", "ok"),
        ("2.17.9", "error"),
        ("2.9", "error"),
    ],
)
def test_core(version: str, severity: str) -> None:
    assert controller.core(version).severity == severity


@pytest.mark.parametrize(
    ("banner", "kex", "mode", "severity"),
    [
        (
            "OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19",
            "curve25519-sha256\nsntrup761x25519-sha512@openssh.com\n",
            "auto",
            "ok",
        ),
        ("OpenSSH_8.0p1, OpenSSL", "curve25519-sha256\n", "auto", "warning"),
        ("OpenSSH_8.0p1, OpenSSL", "curve25519-sha256\n", "preferred", "warning"),
        ("OpenSSH_8.0p1, OpenSSL", "curve25519-sha256\n", "required", "error"),
        ("", "", "auto", "error"),
    ],
)
def test_ssh(banner: str, kex: str, mode: str, severity: str) -> None:
    assert controller.ssh(banner, kex, HYBRID, mode).severity == severity


@pytest.mark.parametrize(
    ("found", "severity"), [("2.0.0", "ok"), ("10.1.0", "ok"), ("1.9.9", "error"), (None, "error"), ("", "ok")]
)
def test_collections(found: str | None, severity: str) -> None:
    (finding,) = controller.collections({"ansible.posix": ">=2.0.0"}, {"ansible.posix": found})
    assert finding.severity == severity
