# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People of the inventory, for those who only ask who there is. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping


def present(items: Iterable[Mapping[str, t.Any]] | None) -> dict[str, Mapping[str, t.Any]]:
    """Who has an account by the lists of the role `accounts`, and the entry; the last one of each name."""
    return {str(item["name"]): item for item in items or () if item.get("state", "present") == "present"}
