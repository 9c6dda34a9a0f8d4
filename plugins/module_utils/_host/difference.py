# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One part of what Ansible shows with C(--diff). Private to this collection."""

from __future__ import annotations

Difference = dict[str, str]


def difference(name: str, before: str | None, after: str | None) -> Difference:
    """`name`: a path, or what else it is. None: there is nothing of that name."""
    return {"before_header": name, "after_header": name, "before": before or "", "after": after or ""}
