# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime as d
import json

from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.changes import Change
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.decision import Event
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.message import NAMED, SUBJECT, TEXT, message
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import edit, report

NOW = d.datetime(2026, 11, 1, 3, 0, tzinfo=d.timezone.utc)


def made(event, **more):
    return message(event, lab="Our lab", now=NOW, number="n1", **more)


def test_it_says_the_same_in_words_and_as_data():
    event = Event("change", "drift, 1 new", (Change("a", "new", "sshd: Write x"), Change("b", "repaired", "y")))
    told = made(event, report=report(0, {"a": [edit("x")], "b": []}), summary="# Summary\n")
    assert told["text"] == ("Our lab: drift, 1 new\n\n+ a: new: sshd: Write x\n- b: repaired: y\n\n# Summary\n")
    assert json.loads(json.dumps(told)) == {
        "schema": 1,
        "id": "n1",
        "created": "2026-11-01T03:00:00+00:00",
        "lab": "Our lab",
        "kind": "change",
        "subject": "Our lab: drift, 1 new",
        "text": told["text"],
        "verdict": "drift",
        "hosts": {"drift": 1, "clean": 1},
        "changes": [{"host": "a", "kind": "new", "what": "sshd: Write x"}, {"host": "b", "kind": "repaired", "what": "y"}],
    }


def test_an_alarm_says_where_to_look_and_has_no_summary():
    assert "journalctl -u research-server-drift\n" in made(Event("alarm", "nothing"), summary="# Summary")["text"]
    told = made(Event("failed", "x.service has failed (timeout)"), summary="# Summary")
    assert "journalctl -u x.service\n" in told["text"] and "Summary" not in told["text"]
    assert told["verdict"] is None and told["hosts"] == {}


def test_nothing_is_without_end():
    changes = tuple(Change(f"h{number}", "new", "x") for number in range(NAMED + 3))
    told = made(Event("digest", "d" * 1000, changes), summary="s\n" * TEXT)
    assert len(told["changes"]) == NAMED and "... 3 more\n" in told["text"]
    assert len(told["text"]) <= TEXT and len(told["subject"]) == SUBJECT and told["subject"].endswith("…")


def test_what_a_host_says_is_no_markup_to_a_chat():
    what = "sudo: @all [log in](https://evil.example) ![](https://evil.example/p) <!channel> `x`"
    told = made(
        Event(
            "change",
            "drift",
            (Change("a", "new", what), Change("b", "new", "conda_envs: _x_"), Change("b", "verdict", "clean -> drift")),
        )
    )
    assert (
        "\n+ a: new: `` sudo: @all [log in](https://evil.example) ![](https://evil.example/p) < !channel> `x` ``\n"
        in told["text"]
    )
    assert "\n+ b: new: conda_envs: _x_\n* b: verdict: clean -> drift\n" in told["text"] and told["changes"][0]["what"] == what


def test_a_name_cannot_make_a_line_of_its_own():
    told = message(Event("change", "a\nBcc: x"), lab="L\r\n", now=NOW, number="n")
    assert "\n" not in told["subject"] and "\r" not in told["subject"]
