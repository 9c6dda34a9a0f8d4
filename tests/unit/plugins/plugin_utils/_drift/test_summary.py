# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import re
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import DriftReport, Outcome, TaskRef
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.summary import SHOWN_LINES, render

START = datetime.datetime(2026, 11, 20, 2, 30, tzinfo=datetime.timezone.utc)
TASK = TaskRef("Write the drop-in", "sshd", "/somewhere/roles/sshd/tasks/apply.yml", 12)


def report(
    results: dict[str, list[Outcome]], previous: dict[str, t.Any] | None = None, day: int = 0, ended: str = ""
) -> dict[str, t.Any]:
    started = START + datetime.timedelta(days=day)
    made = DriftReport(version="1.2.3", started=started)
    for host, outcomes in results.items():
        for outcome in outcomes:
            made.record(host, TASK, outcome)
    if ended:
        made.ended_before(ended)
    failures = {host: sum(outcome.kind == "failed" for outcome in outcomes) for host, outcomes in results.items()}
    lost = [host for host, outcomes in results.items() if any(outcome.kind == "unreachable" for outcome in outcomes)]
    return made.to_dict(finished=started, failures=failures, unreachable=lost, previous=previous)


def edit(lines: int = 1) -> Outcome:
    added = "".join(f"Option{number} yes\n" for number in range(lines))
    return Outcome("changed", diffs=[{"before": "", "after": added, "before_header": "/etc/ssh/x.conf"}])


def test_a_clean_run_is_one_line_per_host_between_title_and_verdict() -> None:
    text = render(report({"gpu-01": [Outcome("ok")], "cpu-01": [Outcome("ok"), Outcome("ok")]}))
    assert text.splitlines() == [
        "Drift run of 2026-11-20T02:30:00+00:00: 2 hosts in 0.0 s",
        "",
        "clean        cpu-01  2 tasks compared",
        "clean        gpu-01  1 task compared",
        "",
        "verdict: clean",
    ]


def test_a_difference_shows_where_it_comes_from_and_what_it_is() -> None:
    text = render(report({"gpu-01": [edit()]}))
    assert "drift        gpu-01  1 difference\n" in text
    assert "  sshd: Write the drop-in (roles/sshd/tasks/apply.yml:12)\n" in text
    assert "      /etc/ssh/x.conf (is)\n      +Option0 yes\n" in text
    assert text.endswith("verdict: drift")


def test_a_long_difference_is_trimmed_and_says_so() -> None:
    text = render(report({"gpu-01": [edit(lines=100)]}))
    # The header is a line too.
    assert text.count("+Option") == SHOWN_LINES - 1
    assert f"... {100 - SHOWN_LINES + 1} more lines in the report" in text


def test_why_a_host_is_unreachable_stands_beside_its_name() -> None:
    text = render(report({"gpu-01": [Outcome("unreachable", message="No route to host\nmore")]}))
    assert "unreachable  gpu-01  No route to host\n" in text


def test_new_differences_are_marked_only_if_there_is_a_previous_report() -> None:
    first = report({"gpu-01": [edit()]})
    assert "new" not in render(first)
    text = render(report({"gpu-01": [edit(), edit(lines=2)]}, previous=first, day=1))
    assert "2 differences (1 new)" in text
    assert "[since 2026-11-20]" in text
    assert "[new]" in text


def test_a_problem_of_the_run_stands_before_the_verdict() -> None:
    text = render(report({"a": [Outcome("ok")]}, ended="Serve"))
    assert text.endswith("the run ended before the play 'Serve'; no host was compared to the end\nverdict: failed")


def test_colors_only_when_asked_for() -> None:
    found = report({"gpu-01": [edit()], "cpu-01": [Outcome("failed", message="no")]})
    assert "\033" not in render(found)
    assert "\033[32m      +Option0 yes\033[0m" in render(found, color=True)


def test_no_line_is_wider_than_the_terminal() -> None:
    found = report({"gpu-01": [Outcome("failed", message="m" * 500), edit()]})
    assert max(len(line) for line in render(found, width=80).splitlines()) == 80
    assert "m" * 500 in render(found)


def test_a_run_that_met_no_host_has_a_summary() -> None:
    assert "0 hosts" in render(report({}))


def test_a_notice_is_told_of_a_host_that_is_clean() -> None:
    made = report({"gpu-01": [Outcome("ok", notices=("a key expires",)), Outcome("ok", hidden=True, notices=("a secret",))]})
    assert made["hosts"]["gpu-01"]["verdict"] == "clean"
    assert made["hosts"]["gpu-01"]["notices"] == ["a key expires"]
    assert "gpu-01\n  note: a key expires\n" in render(made)
    assert "a secret" not in render(made)


@pytest.mark.parametrize("color", [False, True])
def test_a_host_cannot_paint_the_summary(color: bool) -> None:
    evil = "\x1b[2J\x1b[32m\u202e\rclean\nverdict: clean\n\tend"
    outcome = Outcome("changed", items=(evil,), diffs=[{"before": evil, "after": "x\n", "before_header": evil}], notices=(evil,))
    text = render(report({evil: [outcome, Outcome("failed", message=evil)]}, ended=evil), color=color, width=80)
    colours = {"\033[31m", "\033[32m", "\033[33m", "\033[35m", "\033[0m"}
    assert set(re.findall(r"\033\[[0-9;]*[a-zA-Z]", text)) <= (colours if color else set())
    plain = re.sub(r"\033\[(?:3[1235]|0)m", "", text)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert max(map(len, plain.split("\n"))) <= 80
    # Nobody but the summary itself begins a line.
    assert [line for line in plain.split("\n") if line.startswith("verdict:")] == ["verdict: failed"]
    assert [line.split()[0] for line in plain.split("\n") if line.startswith("clean")] == []
