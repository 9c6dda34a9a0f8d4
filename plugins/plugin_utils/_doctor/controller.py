# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller itself lacks. Pure. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .judge import ERROR, OK, WARNING, Finding

CORE = "2.18.0"
OPENSSH = (8, 5)
"""The first client with the post-quantum key exchange that every supported server has."""


def core(version: str) -> Finding:
    if at_least(version, CORE):
        return Finding("ansible", OK, f"ansible-core {version}")
    return Finding("ansible", ERROR, f"ansible-core {version}", f"{CORE} or newer", "pip install --upgrade ansible-core")


def at_least(version: str, least: str) -> bool:
    """Whether a version is new enough; development versions and release candidates of it are."""
    return _numbers(version) >= _numbers(least)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def ssh(banner: str, kex: str, post_quantum: tuple[str, ...], mode: str) -> Finding:
    """The client's version (``ssh -V``) and key exchange (``ssh -Q kex``)."""
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", banner)
    told = banner.split(",", maxsplit=1)[0].strip() or "no ssh"
    if match is None:
        return Finding("ssh", ERROR, told, "OpenSSH's client", "install openssh-client")
    if set(kex.split()) & set(post_quantum):
        return Finding("ssh", OK, told)
    severity = ERROR if mode == "required" else WARNING
    do = "install a newer client" + ("" if mode == "preferred" else ", or set sshd_post_quantum: preferred")
    return Finding("ssh", severity, f"{told} without post-quantum key exchange", ".".join(map(str, OPENSSH)) + " or newer", do)


def collections(required: Mapping[str, str], found: Mapping[str, str | None]) -> list[Finding]:
    """Versions of the collections that this one needs, such as C(>=2.0.0)."""
    findings = []
    for name, wanted in sorted(required.items()):
        version = found.get(name)
        least = wanted.lstrip(">=").strip()
        good = version is not None and (version == "" or at_least(version, least))
        findings.append(
            Finding("collections", OK, f"{name} {version}".strip())
            if good
            else Finding(
                "collections",
                ERROR,
                f"{name} {version or 'is not installed'}",
                wanted,
                f"ansible-galaxy collection install {name}",
            )
        )
    return findings
