# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import json
import time
import typing as t
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._text.shown import SIDE_LIMIT, TOO_DEEP
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import (
    DIFF_LINES,
    EXIT_CODES,
    DriftReport,
    Outcome,
    TaskRef,
    label,
    mask,
    most_severe,
    unified_diff,
)

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "drift-report.schema.json").read_text())
START = datetime.datetime(2026, 11, 20, 2, 30, tzinfo=datetime.timezone.utc)
TASK = TaskRef("Write the drop-in", "sshd", "/c/roles/sshd/tasks/apply.yml", 12)
EVIL = "\x1b[2J\u202eclean\u2028\rverdict: clean\nverdict: clean"
HANDLER = TaskRef("Restart sshd", "sshd", "/c/roles/sshd/handlers/main.yml", 2, handler=True)
OK, CHANGED = Outcome("ok"), Outcome("changed")
FAILED, UNREACHABLE = Outcome("failed", message="no"), Outcome("unreachable", message="no route")
EDIT = {"before": "a\n", "after": "b\n", "before_header": "/etc/x"}


def told(
    *results: Outcome | tuple[TaskRef, Outcome],
    failures: int = 0,
    lost: bool = False,
    previous: dict[str, t.Any] | None = None,
    started: datetime.datetime = START,
    ended: str | None = None,
) -> dict[str, t.Any]:
    """The report on one host; every one of them is checked against the published schema."""
    report = DriftReport(version="1.2.3", started=started)
    for result in results:
        task, outcome = result if isinstance(result, tuple) else (TASK, result)
        report.record("gpu-01", task, outcome)
    if ended:
        report.ended_before(ended)
    told = report.to_dict(
        finished=started + datetime.timedelta(seconds=42),
        failures={"gpu-01": failures} if failures else {},
        unreachable=["gpu-01"] if lost else [],
        previous=previous,
    )
    jsonschema.validate(told, SCHEMA)
    return told


def host(*results: t.Any, **options: t.Any) -> dict[str, t.Any]:
    return told(*results, **options)["hosts"]["gpu-01"]


def test_what_a_run_says_twice_is_told_once() -> None:
    last = TaskRef("Stop for what was put aside", None, "/c/playbooks/site.yml", 150)
    errors = host((TASK, FAILED), (last, FAILED), (last, Outcome("failed", message="more")), failures=2)["errors"]
    assert [(error["task"], error["message"]) for error in errors] == [(TASK.name, "no"), (last.name, "more")]
    hidden = Outcome("failed", hidden=True)
    assert len(host((TASK, hidden), (last, hidden), failures=2)["errors"]) == 2


@pytest.mark.parametrize(
    ("results", "options", "verdict", "exit_code"),
    [
        pytest.param([OK, OK], {}, "clean", 0, id="nothing differs"),
        pytest.param([OK, CHANGED], {}, "drift", 2, id="one task differs"),
        pytest.param([(HANDLER, CHANGED)], {}, "clean", 0, id="a handler alone is no drift"),
        pytest.param([FAILED], {"failures": 1}, "failed", 3, id="a task failed"),
        pytest.param([(HANDLER, FAILED)], {"failures": 1}, "failed", 3, id="a handler failed"),
        pytest.param([CHANGED, FAILED], {"failures": 1}, "failed", 3, id="drift, then a failure"),
        pytest.param([FAILED, OK], {}, "clean", 0, id="a rescued failure"),
        pytest.param([FAILED, CHANGED], {}, "drift", 2, id="a rescued failure and drift"),
        pytest.param([FAILED, FAILED], {"failures": 1}, "failed", 3, id="rescued once, failed later"),
        pytest.param([UNREACHABLE], {"lost": True}, "unreachable", 4, id="unreachable"),
        pytest.param([CHANGED, UNREACHABLE], {"lost": True}, "unreachable", 4, id="lost after drift was seen"),
        pytest.param([UNREACHABLE, OK], {}, "clean", 0, id="unreachable was allowed, answered later"),
        pytest.param([UNREACHABLE, FAILED], {"lost": True, "failures": 1}, "failed", 3, id="both"),
        pytest.param([OK], {"ended": "Serve"}, "failed", 3, id="the run ended early"),
        pytest.param([UNREACHABLE], {"ended": "Serve", "lost": True}, "unreachable", 4, id="ended early, as it is unreachable"),
    ],
)
def test_verdict(results: list[t.Any], options: dict[str, t.Any], verdict: str, exit_code: int) -> None:
    report = told(*results, **options)
    assert (report["verdict"], report["exit_code"]) == (verdict, exit_code)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], "clean"),
        (["clean", "clean"], "clean"),
        (["clean", "drift"], "drift"),
        (["drift", "unreachable", "clean"], "unreachable"),
        (["unreachable", "failed", "drift"], "failed"),
    ],
)
def test_the_most_severe_verdict_counts(verdicts: list[str], expected: str) -> None:
    assert most_severe(verdicts) == expected
    assert most_severe(reversed(verdicts)) == expected


def test_each_verdict_has_its_own_exit_code_and_none_is_that_of_a_wrong_command_line() -> None:
    assert sorted(EXIT_CODES.values()) == [0, 2, 3, 4]


def test_a_run_that_met_no_host_is_not_clean() -> None:
    report = DriftReport(version="1.2.3", started=START).to_dict(finished=START, failures={}, unreachable=[])
    jsonschema.validate(report, SCHEMA)
    assert report["verdict"] == "failed"
    assert "no host was compared" in report["problems"][0]


def test_a_host_that_was_not_compared_to_the_end_is_not_clean() -> None:
    report = told(OK, ended="Serve JupyterLab")
    assert "before the play 'Serve JupyterLab'" in report["problems"][0]
    assert report["hosts"]["gpu-01"]["verdict"] == "failed"
    assert report["hosts"]["gpu-01"]["errors"][0]["message"] == report["problems"][0]


def test_a_run_that_ended_before_all_hosts_had_their_say_has_failed() -> None:
    """Of two hosts one explains why it ended; the other one may hide anything."""
    report = DriftReport(version="1.2.3", started=START)
    report.record("a", TASK, OK)
    report.record("b", TASK, UNREACHABLE)
    report.ended_before("Serve")
    whole = report.to_dict(finished=START, failures={}, unreachable=["b"])
    assert (whole["verdict"], whole["hosts"]["a"]["verdict"], whole["hosts"]["b"]["verdict"]) == (
        "failed",
        "failed",
        "unreachable",
    )


def test_each_host_keeps_its_own_verdict() -> None:
    report = DriftReport(version="1.2.3", started=START)
    report.record("b", TASK, CHANGED)
    report.record("a", TASK, OK)
    report.record("c", TASK, UNREACHABLE)
    hosts = report.to_dict(finished=START, failures={}, unreachable=["c"])["hosts"]
    assert {name: entry["verdict"] for name, entry in hosts.items()} == {"a": "clean", "b": "drift", "c": "unreachable"}
    assert list(hosts) == ["a", "b", "c"]


def test_a_difference_names_role_task_place_items_and_diff() -> None:
    (finding,) = host(Outcome("changed", items=("x", "y"), diffs=[EDIT]))["drift"]
    assert (finding["role"], finding["task"]) == ("sshd", "Write the drop-in")
    assert (finding["file"], finding["line"]) == ("/c/roles/sshd/tasks/apply.yml", 12)
    assert finding["items"] == ["x", "y"]
    assert finding["diff"] == "--- /etc/x (is)\n+++ /etc/x (should be)\n@@ -1 +1 @@\n-a\n+b\n"


def test_times_are_utc_and_the_duration_is_in_seconds() -> None:
    east = datetime.timezone(datetime.timedelta(hours=9))
    report = told(OK, started=datetime.datetime(2026, 11, 20, 11, 30, tzinfo=east))
    assert (report["started"], report["duration_s"]) == ("2026-11-20T02:30:00+00:00", 42.0)


def test_a_handler_is_named_once_and_not_counted() -> None:
    entry = host(CHANGED, (HANDLER, CHANGED), (HANDLER, CHANGED), (HANDLER, OK))
    assert len(entry["drift"]) == 1
    assert entry["handlers"] == ["Restart sshd"]


def test_what_is_passed_over_is_a_failure_of_its_role_and_hides_nothing() -> None:
    """What fails later in the same role may follow from it. A rescued failure, also a later one, is none."""
    other = TaskRef("Load", "firewall", "/c/roles/firewall/tasks/apply.yml", 2)
    first, later = (Outcome("failed", message=text, passed_over=True) for text in ("first", "later"))
    entry = host((TASK, first), (TASK, later), (TASK, CHANGED), (other, first), (other, FAILED), (other, CHANGED))
    assert entry["verdict"] == "failed"
    assert [(error["role"], error["message"]) for error in entry["errors"]] == [("sshd", "first"), ("firewall", "first")]
    assert [finding["role"] for finding in entry["drift"]] == ["sshd", "firewall"]


def test_only_the_final_failure_is_told() -> None:
    entry = host(Outcome("failed", message="rescued"), Outcome("failed", message="final"), failures=1)
    assert [error["message"] for error in entry["errors"]] == ["final"]


def test_nothing_is_told_of_a_task_with_no_log_but_its_name() -> None:
    secret = {"items": ("s3cret",), "diffs": [{"before": "", "after": "s3cret"}], "message": "s3cret"}
    report = told(Outcome("changed", hidden=True, **secret), Outcome("failed", hidden=True, **secret), failures=1)
    assert "s3cret" not in json.dumps(report)
    assert report["hosts"]["gpu-01"]["drift"][0]["hidden"] is True


def test_a_difference_is_new_on_the_first_night_only() -> None:
    edit = Outcome("changed", diffs=[EDIT])
    first = told(edit)
    moved = TaskRef(TASK.name, TASK.role, TASK.file, 99)
    second = told((moved, edit), previous=first, started=START + datetime.timedelta(days=1))
    (finding,) = second["hosts"]["gpu-01"]["drift"]
    assert (finding["new"], finding["first_seen"]) == (False, "2026-11-20T02:30:00+00:00")
    assert second["previous"] == first["finished"]


def test_more_drift_in_the_same_file_is_new() -> None:
    first = told(Outcome("changed", diffs=[EDIT]))
    second = told(Outcome("changed", diffs=[{**EDIT, "before": "a\nmore\n"}]), previous=first)
    assert second["hosts"]["gpu-01"]["drift"][0]["new"] is True


@pytest.mark.parametrize("previous", [None, {}, {"hosts": 1}, {"hosts": {"gpu-01": {"drift": [{}]}}}, {"hosts": {}}])
def test_a_previous_report_that_cannot_be_understood_is_none(previous: dict[str, t.Any] | None) -> None:
    assert host(CHANGED, previous=previous)["drift"][0]["new"] is True


@pytest.mark.parametrize(
    ("diffs", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param([{"before": "a", "after": "a"}], "", id="the same"),
        pytest.param([{}], "", id="empty"),
        pytest.param([None], "", id="null"),
        pytest.param(
            [{"before": None, "after": "x"}], "--- state (is)\n+++ state (should be)\n@@ -0,0 +1 @@\n+x\n", id="created"
        ),
        pytest.param(
            [{"before": {"mode": "0644", "path": "/x"}, "after": {"mode": "0600", "path": "/x"}}],
            '--- state (is)\n+++ state (should be)\n@@ -1,4 +1,4 @@\n {\n-  "mode": "0644",\n+  "mode": "0600",\n   "path": "/x"\n }\n',
            id="attributes",
        ),
        pytest.param([{"prepared": "+ package\n"}], "+ package\n", id="prepared"),
        pytest.param(["+ text"], "+ text\n", id="text"),
        pytest.param([[{"prepared": "a"}, {"prepared": "b"}]], "a\nb\n", id="nested list"),
        pytest.param([{"dst_binary": 1}], "(the file on the host is binary)\n", id="binary"),
        pytest.param([{"src_larger": 104448}], "(the wanted file is too large to show)\n", id="large"),
        pytest.param(
            [{"before": "a\r\n", "after": "a\n"}],
            "(state: differs in what is hidden here, or in line endings)\n",
            id="line endings",
        ),
    ],
)
def test_unified_diff(diffs: list[t.Any], expected: str) -> None:
    assert unified_diff(diffs) == expected


def test_a_diff_names_the_file_on_the_host_not_a_temporary_one() -> None:
    difference = unified_diff([{**EDIT, "after_header": "/root/.ansible/tmp/ansible-local-1/tmpx/drop-in.j2"}])
    assert "tmpx" not in difference
    assert difference.count("/etc/x") == 2


def test_a_huge_diff_is_cut() -> None:
    lines = unified_diff([{"before": "", "after": "".join(f"{n}\n" for n in range(DIFF_LINES * 2))}]).splitlines()
    assert len(lines) == DIFF_LINES + 1
    assert lines[-1] == f"... {DIFF_LINES + 3} more lines"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("ops:$6$saltsalt$Tb9s3cretHash./0123456789:19000:", "s3cretHash"),
        ("ops:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$s3cretHash", "s3cretHash"),
        ("password = s3cret", "s3cret"),
        ('  "db_password": "s3cret",', "s3cret"),
        ("c.IdentityProvider.token = 's3cret'", "s3cret"),
        ("JUPYTER_TOKEN=s3cret", "s3cret"),
        ("channel_alias: https://ada:s3cret@conda.example/", "s3cret"),
        ("- https://conda.example/t/s3cret/lab", "s3cret"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in mask(text)
    assert secret not in unified_diff([{"before": "", "after": text}, {"prepared": text}, text])
    assert secret not in label(text)
    assert secret not in host(Outcome("failed", message=text), failures=1)["errors"][0]["message"]


@pytest.mark.parametrize(
    "text",
    [
        "mallory ALL=(ALL) NOPASSWD: ALL",
        "PasswordAuthentication yes",
        "AuthorizedKeysFile .ssh/authorized_keys",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice@lab",
        "TokenBucket 3",
    ],
)
def test_what_an_administrator_must_see_is_not_masked(text: str) -> None:
    assert mask(text) == text


def test_a_private_key_is_masked_also_when_only_its_middle_differs() -> None:
    key = ["-----BEGIN OPENSSH PRIVATE KEY-----", *(f"line{n}" for n in range(20)), "-----END OPENSSH PRIVATE KEY-----"]
    other = [line.replace("line10", "changed") for line in key]
    difference = unified_diff([{"before": "\n".join(key), "after": "\n".join(other), "before_header": "/k"}])
    assert difference == "(/k: differs in what is hidden here, or in line endings)\n"
    whole = unified_diff([{"before": "", "after": "\n".join(key)}])
    assert "line3" not in whole
    assert "BEGIN OPENSSH PRIVATE KEY" in whole


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("numpy", "numpy"),
        (2222, "2222"),
        ({"name": "alice", "password": "x"}, "alice"),
        ({"path": "/etc/x", "mode": "0600"}, "/etc/x"),
        ({"user": "u", "hash": "x"}, "{hash, user}"),
        ([{"name": "alice"}, "ssh-ed25519 AAAA"], "alice, ssh-ed25519 AAAA"),
        ("two\nlines", "two lines"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_an_item_is_named_without_its_values(item: t.Any, expected: str) -> None:
    assert label(item) == expected


def test_whatever_a_host_says_is_fit_to_be_printed() -> None:
    """The schema forbids the rest, in every text of the report."""
    task = TaskRef(EVIL, EVIL, EVIL, 3)
    notes = Outcome("changed", items=(EVIL,), diffs=[{"before": EVIL, "after": "b", "before_header": EVIL}], notices=(EVIL,))
    report = told(
        (task, notes), (TaskRef(EVIL, handler=True), CHANGED), (task, Outcome("failed", message=EVIL)), failures=1, ended=EVIL
    )
    (finding,) = report["hosts"]["gpu-01"]["drift"]
    line = "\\x1b[2J\\u202eclean\\u2028\\rverdict: clean\\nverdict: clean"
    assert {finding["task"], finding["role"], finding["file"], *finding["items"]} == {line}
    assert report["hosts"]["gpu-01"]["handlers"] == report["hosts"]["gpu-01"]["notices"] == [line]
    assert report["hosts"]["gpu-01"]["errors"][0]["message"] == "\\x1b[2J\\u202eclean\\u2028\\rverdict: clean\nverdict: clean"
    assert finding["diff"].startswith(f"--- {line} (is)\n+++ {line} (should be)\n@@ -1,2 +1 @@\n-\\x1b[2J\\u202eclean")
    assert line in report["problems"][0]


def test_a_host_with_an_odd_name_has_its_own_verdict() -> None:
    report = DriftReport(version="1.2.3", started=START)
    for kind in ("changed", "unreachable", "failed"):
        report.record(f"{kind}\x1b[2J", TASK, Outcome(kind, message="no"))
    made = report.to_dict(finished=START, failures={"failed\x1b[2J": 1}, unreachable=["unreachable\x1b[2J"])
    jsonschema.validate(made, SCHEMA)
    assert {name: entry["verdict"] for name, entry in made["hosts"].items()} == {
        "changed\\x1b[2J": "drift",
        "failed\\x1b[2J": "failed",
        "unreachable\\x1b[2J": "unreachable",
    }


def test_a_result_that_nobody_understands_is_a_failure_of_its_host_alone() -> None:
    report = DriftReport(version="1.2.3", started=START)
    report.record("good", TASK, OK)
    report.misunderstood("bad", f"ValueError: {EVIL}")
    made = report.to_dict(finished=START, failures={}, unreachable=[])
    jsonschema.validate(made, SCHEMA)
    assert {name: entry["verdict"] for name, entry in made["hosts"].items()} == {"good": "clean", "bad": "failed"}
    assert "found a result that cannot be understood (ValueError: " in made["hosts"]["bad"]["errors"][0]["message"]


def test_what_differs_in_unseen_characters_alone_is_told() -> None:
    assert unified_diff([{"before": "PermitRootLogin\u200b no\n", "after": "PermitRootLogin no\n"}]).splitlines()[3:] == [
        "-PermitRootLogin\\u200b no",
        "+PermitRootLogin no",
    ]


@pytest.mark.parametrize(
    "diffs",
    [
        pytest.param([{"before": "a\n" * 100_000, "after": "a\nb\n" * 50_000}], id="lines that repeat"),
        pytest.param([{"before": "a\n" * 199, "after": "a\nb\n" * 99}] * 2000, id="many short parts"),
        pytest.param(
            [{"before": "".join(f"{n}\n" for n in range(9999)), "after": "".join(f"{n}\n" for n in range(9999, 0, -1))}],
            id="reversed",
        ),
        pytest.param([{"before": "x" * 10**7, "after": "y" * 10**7}], id="one line"),
        pytest.param([{"prepared": "+x\n" * 10**6}], id="prepared"),
        pytest.param([{"before": "a", "after": "b"}] * 500_000, id="many parts"),
        pytest.param([{"before": [[1] * 1000] * 1000, "after": None}], id="data"),
        pytest.param(["\u202e\n" * 10**5] * 100, id="signs that are written out"),
    ],
)
def test_a_host_cannot_make_the_controller_compare_for_ever(diffs: list[t.Any]) -> None:
    begun = time.process_time()
    difference = unified_diff(diffs)
    # Measured: less than two.
    assert time.process_time() - begun < 20
    assert len(difference) <= SIDE_LIMIT
    assert len(difference.splitlines()) <= DIFF_LINES + 1
    assert "more lines" in difference or "too many to be shown" in difference


def test_beyond_the_effort_both_sides_are_told_whole() -> None:
    before = "\n".join(str(number % 50) for number in range(20_000))
    difference = unified_diff([{"before": before, "after": f"{before}\nx"}]).splitlines()
    assert difference[:3] == ["--- state (is)", "+++ state (should be)", "-0"]
    assert difference[-1] == f"... {20_000 + 20_001 + 2 - DIFF_LINES} more lines"
    assert unified_diff([{"before": before, "after": before}]) == ""


@pytest.mark.parametrize("notices", [(), ("a",) * 100])
def test_as_many_notices_as_anybody_reads(notices: tuple[str, ...]) -> None:
    assert host(Outcome("ok", notices=notices))["notices"] == list(notices)
    assert host(Outcome("ok", notices=(*notices, *["b"] * 101)))["notices"][-1] == f"... {len(notices) + 1} more"


def test_what_is_nested_without_end_is_told_as_far_as_anybody_reads() -> None:
    value: t.Any = EVIL
    for _level in range(900):
        value = [value]
    assert unified_diff(value) == unified_diff([value]) == f"{TOO_DEEP}\n"
    assert TOO_DEEP in unified_diff([{"before": value, "after": ""}])
    assert label(value) == "..."
    assert label({"name": value}) == "{name}"
