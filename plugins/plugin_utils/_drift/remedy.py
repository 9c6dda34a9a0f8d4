# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which command repairs what a drift run found. Pure: data in, words out. Private to this collection.

A page tells people `site.yml`, the file of their own repository, which applies this collection. `repair` runs the collection's
own: it is what was compared, whatever else the lab's file does, and it is found from every folder.
"""

from __future__ import annotations

import shlex
import typing as t
from collections.abc import Iterable, Mapping

from .baseline import ROLE as AUDIT

SITE = "openlab.research_server.site"
# The plays of site.yml, which have their roles' names as tags.
ROLES = (
    "accounts",
    "firewall",
    "sshd",
    "fail2ban",
    "nvidia",
    "miniconda",
    "conda_envs",
    "jupyter",
    "workbench",
    "proxy",
    "jupyterhub",
    "drift",
)
# What finds the host and learns what it is belongs to every part of the site.
ALWAYS = "always"
FULL = "miniconda_verify=full"
# They build anew what was damaged if all files are read, which nobody waits for otherwise.
_READ_FILES = ("miniconda", "conda_envs", "jupyter", "jupyterhub", "workbench", "drift")

Finding = Mapping[str, t.Any]


def tag(finding: Finding) -> str:
    """The part of the site that repairs it; empty if none does."""
    role = finding["role"] or ALWAYS
    return role if role in (*ROLES, ALWAYS) else ""


def of_audit(finding: Finding) -> bool:
    """Nobody declared it: no run decides whether it stays."""
    return bool(finding["role"] == AUDIT)


def needs_full(findings: Iterable[Finding]) -> bool:
    return any(finding["role"] in _READ_FILES and FULL in (finding["diff"] or "") for finding in findings)


class Commands:
    """What to type, for this inventory.

    :param drift: how this command is called where it is typed.
    """

    def __init__(self, inventories: Iterable[str], drift: str = "research-server-drift") -> None:
        # None: that of ansible.cfg, for these commands, too.
        self._inventory = "".join(f" -i {shlex.quote(path)}" for path in inventories)
        self._drift = shlex.quote(drift)

    def repair(self, host: str, findings: Iterable[Finding]) -> str:
        """Empty if no site repairs any of them. A lab's own site may have roles that this collection does not know."""
        ours = [finding for finding in findings if not of_audit(finding)]
        full = f" -e {FULL}" if needs_full(ours) else ""
        return f"ansible-playbook site.yml{self._inventory} -l {shlex.quote(host)}{full}" if ours else ""

    def accept(self, host: str, topic: str) -> str:
        return f"{self._drift} accept{self._inventory} -l {shlex.quote(host)} --topic {shlex.quote(topic)}"

    def again(self, host: str) -> str:
        return f"{self._drift}{self._inventory} -l {shlex.quote(host)}"
