# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor.report import render, report

GOOD = {"topic": "python", "severity": "ok", "found": "3.11.2", "expected": "", "do": ""}
SOON = {"topic": "disk", "severity": "warning", "found": "/: 2 GiB free", "expected": "5 GiB", "do": "make room"}
BAD = {"topic": "reachable", "severity": "error", "found": "no answer", "expected": "one", "do": "look"}


@pytest.mark.parametrize(
    ("hosts", "controller", "blocked"),
    [
        ({"a": [GOOD]}, [GOOD], []),
        ({"a": [GOOD, SOON]}, [GOOD], []),
        ({"a": [GOOD], "b": [GOOD, BAD]}, [GOOD], ["b"]),
        ({"a": []}, [GOOD], ["a"]),
        ({"a": [GOOD]}, [BAD], ["controller"]),
    ],
)
def test_a_host_with_an_error_or_without_an_examination_is_blocked(hosts, controller, blocked) -> None:
    told = report(hosts, controller)
    assert told["blocked"] == blocked
    assert told["ready"] is not bool(blocked)


def test_only_what_needs_attention_is_shown_unless_all_is_asked_for() -> None:
    told = report({"a": [GOOD], "b": [GOOD, SOON], "c": [BAD]}, [GOOD])
    assert render(told).splitlines() == [
        "controller: ready",
        "a: ready",
        "b: ready, 0 errors, 1 warning",
        "  warning  disk       /: 2 GiB free; expected 5 GiB; to do: make room",
        "c: blocked, 1 error, 0 warnings",
        "  error    reachable  no answer; expected one; to do: look",
        "site.yml would stop: c",
    ]
    assert render(told, full=True).count("3.11.2") == 2
    assert render(report({"a": []}, [GOOD])).splitlines()[1] == "a: was not examined"


def test_long_lines_break_where_the_terminal_ends() -> None:
    told = report({"a": [{**BAD, "found": "word " * 40}]}, [GOOD])
    assert max(map(len, render(told, width=80).splitlines())) <= 80
    assert max(map(len, render(told).splitlines())) > 200


def test_colours_only_where_asked_for() -> None:
    told = report({"a": [BAD]}, [GOOD])
    assert "\033[31m" in render(told, color=True)
    assert "\033" not in render(told)
