# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold among the variables of the role sshd. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

OWN_VARIABLE = {"port": "sshd_port", "allowgroups": "sshd_allow_groups"}


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    problems = []
    ports = {"sshd_port": [variables.get("sshd_port", 2222)], "sshd_previous_ports": variables.get("sshd_previous_ports", [])}
    for name, values in ports.items():
        problems += [
            f"{name}: found {port}; expected a TCP port from 1 to 65535" for port in values if not 1 <= int(port) <= 65535
        ]
    if not variables.get("sshd_allow_groups", ["ssh-users"]):
        problems.append("sshd_allow_groups: found an empty list; expected at least one group, or nobody could log in")
    for keyword in variables.get("sshd_settings", {}):
        own = OWN_VARIABLE.get(str(keyword).lower())
        if own:
            problems.append(f"sshd_settings: found {keyword}; set it with the variable '{own}', other roles read that")
    if int(variables.get("sshd_undo_after", 120)) < 30:
        problems.append(
            f"sshd_undo_after: found {variables['sshd_undo_after']} s; expected at least 30 s, a new login takes time"
        )
    return problems
