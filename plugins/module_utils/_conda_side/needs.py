# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies of packages, and whether they are there. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import re
import typing as t

# Parts of a dependency that only say when it counts, and which variants of it do (CEP 43 and its kin, conda 26.5).
_CONDITION = re.compile(r"\[(?:.*[,\s])?when\s*=")
_VARIANTS = re.compile(r",?\s*\b(?:extras|flags)\s*=\s*\[[^\]]*\]")


def needs(record: t.Any) -> t.Iterator[t.Any]:
    """The dependencies of a package that count in any case; about the others the solver has decided."""
    from conda.models.match_spec import MatchSpec

    yield from (MatchSpec(text) for text in map(plain_need, record.depends) if text)


def plain_need(text: str) -> str:
    """A dependency by name, version and build; empty if it counts under a condition only."""
    if _CONDITION.search(text):
        return ""
    return _VARIANTS.sub("", text).replace("[,", "[").replace("[]", "").strip()


def present(spec: t.Any, records: dict[str, t.Any]) -> bool:
    """Whether a package that fits is there, with all that it needs."""
    found = [record for record in records.values() if spec.match(record)]
    seen = set()
    complete = bool(found)
    while found and complete:
        record = found.pop()
        if record.name in seen:
            continue
        seen.add(record.name)
        for need in needs(record):
            if need.name.startswith("__"):
                continue
            complete = complete and need.name in records and bool(need.match(records[need.name]))
            found += [records[need.name]] if need.name in records else []
    return complete
