# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of which some are given several times. Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

One = bool | int | float | str
Settings = Mapping[str, One | list[One]]


def each(settings: Settings) -> Iterator[tuple[str, One]]:
    """Name and value, once for each item of a list; an empty one is none."""
    for name, value in settings.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            yield name, one
