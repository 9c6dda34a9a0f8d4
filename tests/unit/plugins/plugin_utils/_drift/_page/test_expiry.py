# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import typing as t

from ansible_collections.openlab.research_server.plugins.module_utils._accounts.people import Notice
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.verdict import Waiver, judge
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._page.expiry import (
    NAMED_HOSTS,
    SHOWN,
    expiries,
)
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._page.finding import LENGTH

TODAY = "2026-11-20"


def told(*notices: str) -> list[dict[str, t.Any]]:
    return t.cast(list[dict[str, t.Any]], expiries({"a": notices}, TODAY)["entries"])


def test_it_knows_the_sentences_of_the_roles() -> None:
    day = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
    finding = Finding("listeners", "tcp *:80", "found", "expected", "way out", "warning")
    waivers = [
        Waiver("listeners", "tcp *:80", "ada", "a demo", datetime.date(2026, 11, 22)),
        Waiver("listeners", "tcp *:81", "ada", "x", datetime.date(2026, 11, 21)),
    ]
    notices = judge([finding], [], waivers, ["listeners"], datetime.date(2026, 11, 20)).notices
    entries = told(Notice("ada", "a key", day, False).sentence, Notice("bob", "the account", day, True).sentence, *notices)
    assert [(entry["day"], entry["left"]) for entry in entries] == [
        ("2026-11-22", 2),
        ("2026-12-01", 11),
        ("2026-12-01", 11),
        ("", None),
    ]
    assert "matches nothing" in entries[-1]["sentence"]


def test_the_soonest_comes_first_and_what_is_past_before_it() -> None:
    entries = told(
        "x expires on 2027-01-01", "y expired on 2026-11-19", "z expires on 2026-11-20", "nothing", "built on 2026-01-01"
    )
    assert [entry["left"] for entry in entries] == [-1, 0, 42]


def test_a_date_in_a_name_is_not_taken_for_the_day() -> None:
    (entry,) = told("account 'expires on 2020-01-01': a key expires on 2026-11-25")
    assert entry["day"] == "2026-11-25"
    assert told("x expires on 2026-13-99") == []


def test_hosts_that_say_the_same_share_an_entry_and_few_are_named() -> None:
    made = expiries({f"h{number}": ["x expires on 2026-12-01"] * 2 for number in range(NAMED_HOSTS + 3)}, TODAY)
    (entry,) = made["entries"]
    assert entry["hosts"] == [f"h{number}" for number in range(NAMED_HOSTS)] and entry["more_hosts"] == 3


def test_there_is_an_end_of_entries_and_of_a_sentence() -> None:
    made = expiries({"a": [f"{number} expires on 2026-12-01" for number in range(SHOWN + 2)]}, TODAY)
    assert len(made["entries"]) == SHOWN and made["more"] == 2
    (entry,) = told("x" * LENGTH + " expires on 2026-12-01")
    assert entry["sentence"] == "x" * (LENGTH - 1) + "…"
