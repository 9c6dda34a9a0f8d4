# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom AllowUsers, DenyUsers, AllowGroups and DenyGroups let in (sshd_config(5)). Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection, Iterable, Mapping, Sequence

KEYWORDS = ("denyusers", "allowusers", "denygroups", "allowgroups")

Listing = Mapping[str, Sequence[str]]
"""Keyword in lower case -> values, as ``sshd -T`` prints them: one for each pattern."""


def obstacles(name: str, groups: Collection[str], listing: Listing) -> list[str]:
    """Which of the four keep this account out wherever it comes from, in sshd's order.

    A pattern USER@HOST neither shuts anybody out everywhere nor keeps anybody out who comes from there.
    """
    denied, allowed = listing.get("denyusers", ()), listing.get("allowusers", ())
    allowed_groups = listing.get("allowgroups", ())
    verdicts = {
        "denyusers": any(_names(pattern, name) for pattern in denied if "@" not in pattern),
        "allowusers": bool(allowed) and not any(_names(pattern.partition("@")[0], name) for pattern in allowed),
        "denygroups": _any_group(listing.get("denygroups", ()), groups),
        "allowgroups": bool(allowed_groups) and not _any_group(allowed_groups, groups),
    }
    return [keyword for keyword in KEYWORDS if verdicts[keyword]]


def words(values: Iterable[t.Any]) -> list[str]:
    """The patterns in values as a file has them: several on one line, perhaps with commas or quotes."""
    return [word.strip('"') for value in values for word in str(value).replace(",", " ").split()]


def _any_group(patterns: Iterable[str], groups: Collection[str]) -> bool:
    return any(_names(pattern, group) for pattern in patterns for group in groups)


def _names(pattern: str, name: str) -> bool:
    """PATTERNS of ssh_config(5): an asterisk for any signs, a question mark for one. A pattern with `!` never fits by itself."""
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return not pattern.startswith("!") and re.fullmatch(expression, name) is not None
