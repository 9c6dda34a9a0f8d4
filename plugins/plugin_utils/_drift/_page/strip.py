# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last nights of a host as small bars, one a day. Pure. Private to this collection.

Bars differ in height and form, so that they can be read without colour: clean is low, drift is half as high as failed, and
unreachable is broken.
"""

from __future__ import annotations

import datetime
import typing as t
from collections import Counter
from collections.abc import Iterable, Sequence

from ..report import EXIT_CODES, most_severe

NIGHTS = 30
STEP = 5
HEIGHT = 14
WIDTH = NIGHTS * STEP
# From the top: (y, height) of the parts of a bar.
_BARS = {"clean": ((11, 3),), "drift": ((6, 8),), "unreachable": ((0, 4), (10, 4)), "failed": ((0, 14),)}


def strip(nights: Iterable[tuple[str, str]], last: str) -> dict[str, t.Any]:
    """One path for each verdict, and how many nights had it; `last` is the day that ends the strip.

    A day with several runs has the most severe of their verdicts: a repair does not hide what the night has seen.
    """
    end = datetime.date.fromisoformat(last)
    days = [(end - datetime.timedelta(days=NIGHTS - 1 - place)).isoformat() for place in range(NIGHTS)]
    by_day: dict[str, list[str]] = {}
    for moment, verdict in nights:
        by_day.setdefault(moment[:10], []).append(verdict)
    shown = [most_severe(by_day[day]) if day in by_day else "" for day in days]
    counts = Counter(shown)
    return {
        "paths": [(verdict, _path(verdict, shown)) for verdict in _BARS if counts[verdict]],
        "counts": [(verdict, counts[verdict]) for verdict in reversed(EXIT_CODES) if counts[verdict]],
        "none": counts[""],
    }


def _path(verdict: str, shown: Sequence[str]) -> str:
    places = [place for place, other in enumerate(shown) if other == verdict]
    return "".join(
        f"M{place * STEP} {top}h{STEP - 1}v{height}h-{STEP - 1}z" for place in places for top, height in _BARS[verdict]
    )
