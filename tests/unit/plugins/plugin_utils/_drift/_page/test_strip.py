# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._page.strip import HEIGHT, NIGHTS, STEP, strip


def test_each_night_is_a_bar_in_its_place_and_what_is_older_is_left_out() -> None:
    made = strip(
        [("2026-10-21T02:00:00+00:00", "failed"), ("2026-10-22T02:00:00+00:00", "clean"), ("2026-11-20T02:00:00+00:00", "drift")],
        "2026-11-20",
    )
    assert made["paths"] == [("clean", "M0 11h4v3h-4z"), ("drift", f"M{(NIGHTS - 1) * STEP} 6h4v8h-4z")]
    assert made["counts"] == [("drift", 1), ("clean", 1)]
    assert made["none"] == NIGHTS - 2


def test_a_day_has_the_most_severe_of_its_verdicts() -> None:
    nights = [("2026-11-20T02:00:00+00:00", "failed"), ("2026-11-20T09:00:00+00:00", "clean")]
    assert strip(nights, "2026-11-20")["counts"] == [("failed", 1)]
    assert strip(nights[::-1], "2026-11-20")["counts"] == [("failed", 1)]


def test_each_verdict_has_a_form_of_its_own() -> None:
    verdicts = ("clean", "drift", "unreachable", "failed")
    forms = [
        strip([("2026-11-20T02:00:00+00:00", verdict)], "2026-11-20")["paths"][0][1].split("M145 ")[1:] for verdict in verdicts
    ]
    assert forms == [["11h4v3h-4z"], ["6h4v8h-4z"], ["0h4v4h-4z", "10h4v4h-4z"], ["0h4v14h-4z"]]
    assert HEIGHT == 14


def test_no_night_is_no_bar() -> None:
    assert strip([], "2026-11-20") == {"paths": [], "counts": [], "none": NIGHTS}
