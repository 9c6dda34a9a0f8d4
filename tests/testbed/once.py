# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` leaves to the weekly run: it plays each thing once.

`one_release`: on one release of the test hosts. `cases(n)`: n of the cases of a test. `thorough`: not at all.
"""

from __future__ import annotations

import os
import typing as t
from collections import Counter

NOT_THIS = "debian12"
"""The release that says nothing new."""


def select(config: t.Any, items: list[t.Any]) -> None:
    """For pytest_collection_modifyitems."""
    if os.environ.get("TEST_ONCE"):
        seen: Counter[tuple[str, bool]] = Counter()
        wanted = [item for item in items if _wanted(item, seen)]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


def _wanted(item: t.Any, seen: Counter[tuple[str, bool]]) -> bool:
    again = NOT_THIS in item.nodeid
    if item.get_closest_marker("thorough") or (again and item.get_closest_marker("one_release")):
        return False
    cases = item.get_closest_marker("cases")
    test = item.nodeid.partition("[")[0], again
    seen[test] += 1
    return cases is None or seen[test] <= cases.args[0]
