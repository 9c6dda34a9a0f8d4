# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not as conda and pip installed them, as one line each. Private to this collection."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .environments import expected_files
from .verify import verify

_SHOWN = 5


def damage(prefix: str) -> tuple[str, ...]:
    """`path (problem) hash` of every file that differs from its record or is missing, and of records that cannot be used."""
    files, unusable = expected_files(prefix)
    problems = (f"{item.path} ({item.problem}) {item.found}".rstrip() for item in verify(prefix, files).problems)
    return (*problems, *(f"{line} (unusable record)" for line in unusable))


def reasons(found: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Why the environment is to be built again; empty if nothing but what was so from the start differs."""
    new = [line.partition(") ")[0] + ")" if ") sha" in line else line for line in found if line not in known]
    if not new:
        return ()
    count = "1 file is" if len(new) == 1 else f"{len(new)} files are"
    more = ", ..." if len(new) > _SHOWN else ""
    return (f"{count} not as installed: {', '.join(new[:_SHOWN])}{more}",)
