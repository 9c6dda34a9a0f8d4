# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold among the variables of the role firewall. Pure. Private to this collection."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Mapping

from ...module_utils._firewall.rules import RuleError, rules


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    problems = []
    try:
        rules(variables.get("firewall_ssh_from", []), variables.get("firewall_allow", []), [])
    except RuleError as error:
        problems.append(str(error))
    problems += _hosts(variables)
    if int(variables.get("firewall_undo_after", 120)) < 30:
        problems.append(
            f"firewall_undo_after: found {variables['firewall_undo_after']} s; expected at least 30 s, a new login takes time"
        )
    return problems


def _hosts(variables: Mapping[str, t.Any]) -> list[str]:
    """An entry for a host or group that nobody has opens nothing, and nobody is told."""
    known = variables.get("inventory_names") or ()
    problems = []
    for number, entry in enumerate(variables.get("firewall_allow", []), 1):
        for name in entry.get("hosts") or [] if known else []:
            if name not in known:
                near = difflib.get_close_matches(str(name), sorted(known), n=1)
                hint = f"did you mean '{near[0]}'?" if near else "correct the name, or remove it"
                problems.append(
                    f"firewall_allow, entry {number}: found '{name}'; expected a host or group of the inventory; {hint}"
                )
    return problems
