# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing on a host that nobody declared. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import typing as t

Severity = t.Literal["error", "warning", "notice"]
"""`error`: somebody may have a power that nobody gave. `warning`: a difference to be explained. `notice`: work that is due."""


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """`name` is the same in each run as long as the thing is the same: by it a lab accepts, or waives, what was found."""

    topic: str
    name: str
    found: str
    expected: str
    way_out: str
    """The line of the inventory that makes it legitimate, or the command that removes it."""
    severity: Severity = "warning"


def digest(text: str) -> str:
    """What tells two texts apart in a name that does not show the whole of them."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def is_named(name: str, pattern: str) -> bool:
    """By a pattern with `*` and `?` (fnmatch(3)). A bracket is one, as in an IPv6 address."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))
