# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold among the variables of the role firewall. Pure. Private to this collection."""

from __future__ import annotations

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
    if int(variables.get("firewall_undo_after", 120)) < 30:
        problems.append(
            f"firewall_undo_after: found {variables['firewall_undo_after']} s; expected at least 30 s, a new login takes time"
        )
    return problems
