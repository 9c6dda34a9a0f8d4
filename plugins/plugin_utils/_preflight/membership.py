# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether any role reaches a host. Pure. Private to this collection.

A group whose name has a typing error leaves its machines as they came, and every run would be green.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

# Machines of the inventory that the lab looks after by other means.
UNMANAGED = "unmanaged"
# Ansible's own.
_EVERYBODY = {"all", "ungrouped"}


def lost(groups: Collection[str], known: Collection[str], roles: Collection[str]) -> list[str]:
    """Why no role reaches a host; nothing if one does, or none shall. `groups` are the host's, `known` those of the inventory."""
    reached = set(roles).intersection(groups)
    if UNMANAGED in groups and reached:
        return [
            f"inventory: found the host in the group '{UNMANAGED}' and in {', '.join(sorted(reached))}; expected it in one or "
            f"the other; take it out of '{UNMANAGED}', or out of the groups that lead to a role"
        ]
    if UNMANAGED in groups or reached:
        return []
    own = sorted(set(groups) - _EVERYBODY)
    others = sorted({*known, *roles} - _EVERYBODY - set(own))
    near = [name for group in own for name in difflib.get_close_matches(group, others, n=1)]
    found = f"the groups {', '.join(own)}" if own else "no group"
    hint = f"did you mean '{near[0]}'?" if near else "name it in hosts.yml where it belongs."
    return [
        f"inventory: found the host in {found}; expected a group that leads to a role ({', '.join(sorted(roles))}); {hint} "
        f"The site leaves it as it is; if that is meant, put it into the group '{UNMANAGED}'"
    ]
