# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host may answer anything: arbitrary JSON as the result of a task, through Ansible's own objects, into report and summary."""

from __future__ import annotations

import datetime
import inspect
import json
import re
import time
import typing as t
from pathlib import Path

import jsonschema
import pytest
from ansible.executor import task_result
from ansible.inventory.host import Host
from ansible.playbook.task import Task
from ansible_collections.openlab.research_server.plugins.callback.drift import (
    AUDIT,
    COLLECTION,
    left_out,
    located,
    there_is,
    unpack,
    unpack_all,
)
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import DriftReport, Kind
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.summary import render
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = json.loads((Path(__file__).parents[4] / "docs" / "drift-report.schema.json").read_text())
START = datetime.datetime(2026, 11, 20, 2, 30, tzinfo=datetime.timezone.utc)
# ansible-core 2.18 has one class for it.
Result = getattr(task_result, "CallbackTaskResult", None) or task_result.TaskResult
# From 2.21 on it is made from an object that callbacks never see.
UNIFIED = "utr" in inspect.signature(Result).parameters
KINDS: tuple[Kind, ...] = ("ok", "changed", "failed", "unreachable")
SECRET = "s3cretS3cret0123456789"
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(
        ["\x1b[2J\x1b[32mclean", "\u202eclean", "a\r\nb\rc\n", "\udcff", f"password={SECRET}", f"https://a:{SECRET}@h/", ""]
    ),
)
# What this plugin looks at, so that most of what is made up is looked at.
KEYS = st.sampled_from(
    [
        *(
            "msg",
            "reason",
            "module_stderr",
            "stderr",
            "notices",
            "diff",
            "results",
            "invocation",
            "failed",
            "changed",
            "exception",
        ),
        *("before", "after", "before_header", "after_header", "prepared", "dst_binary", "src_larger", "dest", "path", "item"),
        *("ansible_loop_var", "_ansible_item_label", "_ansible_no_log"),
    ]
)
LEAVES = st.one_of(TEXT, st.none(), st.booleans(), st.integers(), st.floats())
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, TEXT), inner, max_size=4)),
    max_leaves=20,
)
ANSWER = st.dictionaries(st.one_of(KEYS, TEXT, st.integers()), JSON, max_size=8)


def result(answer: dict[t.Any, t.Any], looped: bool = False) -> t.Any:
    """What Ansible hands to a callback."""
    task = Task()
    task.name, task.action, task.loop = "Compare", "ansible.builtin.debug", [1, 2] if looped else None
    if UNIFIED:
        task.args = {"path": "/etc/x"}
        made = Result(Host("gpu-01"), task, None)
        made.result = answer
        return made
    return Result(Host("gpu-01"), task, answer, {"name": "Compare", "args": {"path": "/etc/x"}})


def told(*results: tuple[t.Any, Kind]) -> dict[str, t.Any]:
    report = DriftReport(version="1.2.3", started=START)
    for one, kind in results:
        report.record(*unpack(one, kind))
    made = report.to_dict(finished=START, failures={"gpu-01": len(results)}, unreachable=["gpu-01"])
    jsonschema.validate(made, SCHEMA)
    return made


def assert_fit_to_be_printed(report: dict[str, t.Any]) -> None:
    for color in (False, True):
        text = re.sub(r"\033\[(?:3[1235]|0)m", "", render(report, color=color)) if color else render(report)
        assert all(line.isprintable() for line in text.split("\n"))
        assert SECRET not in text
    text = json.dumps(report)
    assert SECRET not in text
    assert len(text) < 10**6


@settings(max_examples=50, deadline=None)
@given(ANSWER, st.sampled_from(KINDS), st.booleans())
def test_any_answer_has_a_verdict(answer: dict[t.Any, t.Any], kind: Kind, looped: bool) -> None:
    report = told((result(answer, looped), kind))
    expected = {"ok": "clean", "changed": "drift"}.get(kind, kind)
    assert report["hosts"]["gpu-01"]["verdict"] == expected
    assert_fit_to_be_printed(report)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"changed": st.just(True), "failed": st.just(True)}, optional={"diff": JSON, "item": JSON, "msg": JSON}
        ),
        max_size=5,
    )
)
def test_any_item_of_a_loop_has_a_name_and_a_difference(items: list[dict[str, t.Any]]) -> None:
    report = told((result({"results": items}, looped=True), "changed"), (result({"results": items}, looped=True), "failed"))
    assert_fit_to_be_printed(report)


# Deeper ones Ansible itself cannot hand on; test_drift_callback.py has one.
def nested(depth: int) -> t.Any:
    value: t.Any = "\x1b[2J"
    for _level in range(depth):
        value = {"msg": [value]}
    return value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(dict.fromkeys(("msg", "stderr", "diff"), "x" * 10**7), id="a text without end"),
        pytest.param(
            {"msg": "line\n" * 10**6, "diff": {"before": "a\n" * 10**6, "after": "b\n" * 10**6}}, id="lines without end"
        ),
        pytest.param(
            {"msg": "://" * 10**6, "diff": [{"before": "://" * 10**6, "after": ""}], "notices": ["://" * 10**6]},
            id="the worst text",
        ),
        pytest.param({"msg": nested(30), "diff": nested(30), "notices": [nested(30)], "item": nested(30)}, id="nested"),
        pytest.param({"msg": [[0] * 200] * 200, "notices": [[[0] * 200] * 200], "diff": [[[{}] * 200] * 100]}, id="many items"),
        pytest.param({"notices": ["x" * 10**5] * 1000, "diff": [{"prepared": "x" * 10**5}] * 1000}, id="many texts"),
        pytest.param({"results": [nested(30)] * 100, "invocation": [1], "failed": 1, "changed": {}}, id="no results"),
        pytest.param(
            {"results": "many", "invocation": {"dest": {"a": 1}, "path": 3}, "diff": {"before": 1, "after": [2]}}, id="types"
        ),
    ],
)
def test_an_answer_without_end_ends(answer: dict[str, t.Any], kind: Kind) -> None:
    begun = time.process_time()
    assert_fit_to_be_printed(told((result(answer, looped=True), kind), (result(answer), kind)))
    # Measured: less than three.
    assert time.process_time() - begun < 30


FINDING = {
    "topic": "listeners",
    "name": "tcp 0.0.0.0:80",
    "found": "web of root listens",
    "expected": "nothing listens",
    "way_out": "stop it",
    "severity": "error",
}


@pytest.mark.parametrize("kind", ["changed", "failed"])
def test_each_finding_of_an_audit_is_one_of_its_own(kind: Kind) -> None:
    answer = {
        "findings": [FINDING, {**FINDING, "name": "\x1b[2Judp"}],
        "notices": ["a reboot is due"],
        "msg": "could not look at keys",
    }
    made = result(answer)
    made._task.action = AUDIT
    report = DriftReport(version="1.2.3", started=START)
    for told_ in unpack_all(made, kind):
        report.record(*told_)
    told_all = report.to_dict(finished=START, failures={"gpu-01": 1}, unreachable=[])
    jsonschema.validate(told_all, SCHEMA)
    host = told_all["hosts"]["gpu-01"]
    assert [(item["task"], item["items"]) for item in host["drift"]] == [
        ("listeners", ["tcp 0.0.0.0:80"]),
        ("listeners", ["\\x1b[2Judp"]),
    ]
    assert "-web of root listens\n+nothing listens\n+stop it" in host["drift"][0]["diff"]
    assert len({item["fingerprint"] for item in host["drift"]}) == 2
    assert host["verdict"] == ("failed" if kind == "failed" else "drift")
    assert kind == "failed" or host["notices"] == ["a reboot is due"]
    assert there_is(AUDIT, {}, {"accepted": ["listeners: \x1b[2J"]}) == {"accepted": ["listeners: \\x1b[2J"]}
    assert_fit_to_be_printed(told_all)


@pytest.mark.parametrize(
    ("answer", "told_too"),
    [
        ({"msg": "no", "diff": {"before": "a\n", "after": "b\n", "before_header": "/etc/x"}}, True),
        ({"msg": "no", "diff": {"before": "a\n", "after": "a\n"}}, False),
        ({"msg": "no", "diff": []}, False),
        ({"msg": "no"}, False),
        ({"msg": "no", "diff": {"before": "a\n", "after": "b\n"}, "_ansible_no_log": True}, False),
    ],
)
def test_what_a_task_saw_before_it_failed_is_told_as_well(answer: dict[str, t.Any], told_too: bool) -> None:
    outcomes = [outcome for _host, _task, outcome in unpack_all(result(answer), "failed")]
    assert [outcome.kind for outcome in outcomes] == ["failed"] + ["changed"] * told_too


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, ""),
        ({"tags": ("all",), "skip_tags": (), "start_at_task": None}, ""),
        ({"tags": ("never", "all")}, ""),
        ({"tags": ("sshd", "audit")}, "--tags audit,sshd"),
        ({"tags": ("all",), "skip_tags": ("b", "a"), "start_at_task": "Here\x1b"}, "--skip-tags a,b --start-at-task Here\\x1b"),
    ],
)
def test_what_keeps_tasks_from_being_asked(arguments: dict[str, t.Any], told: str) -> None:
    assert left_out(arguments) == told


@pytest.mark.parametrize(
    ("module", "arguments", "answer", "there"),
    [
        (
            "nvidia_info",
            {},
            {"info": {"gpus": [{"architecture": "ampere", "device_id": "20b2", "address": f"0000:{bus}:00.0"} for bus in "12"]}},
            {"gpus": ["ampere 20b2 at 0000:1:00.0", "ampere 20b2 at 0000:2:00.0"]},
        ),
        ("nvidia_info", {}, {"msg": "failed"}, {}),
        ("conda_env", {"environments": [{"name": "nlp"}, {"name": "old", "state": "absent"}]}, {}, {"environments": ["nlp"]}),
        ("conda_env", {"name": "jupyter", "definition": {}}, {}, {"environments": ["jupyter"]}),
        (
            "accounts",
            {
                "administrators": [{"name": "ops"}],
                "researchers": [{"name": "ada", "state": "present"}, {"name": "x", "state": "absent"}],
            },
            {},
            {"people": ["ada", "ops"]},
        ),
        ("firewall", {"allow": []}, {}, {}),
        ("conda_env", {"environments": []}, {}, {"environments": []}),
        ("conda_env", {"environments": [{"prefix": "/srv/env"}]}, {}, {"environments": ["/srv/env"]}),
    ],
)
def test_the_report_says_what_there_is(
    module: str, arguments: dict[str, t.Any], answer: dict[str, t.Any], there: dict[str, list[str]]
) -> None:
    assert there_is(f"{COLLECTION}{module}", {"args": arguments}, answer) == there


def test_what_there_is_comes_together_and_can_be_printed() -> None:
    report = DriftReport(version="1.2.3", started=START)
    report.record(*unpack(result({}), "ok"))
    report.has("gpu-01", {"environments": ["nlp"]})
    report.has("gpu-01", {"environments": ["jupyter", "nlp", "\x1b[2J"], "people": []})
    made = report.to_dict(finished=START, failures={}, unreachable=[])
    jsonschema.validate(made, SCHEMA)
    assert made["hosts"]["gpu-01"]["environments"] == ["nlp", "jupyter", "\\x1b[2J"]
    assert made["hosts"]["gpu-01"]["people"] == [] and "gpus" not in made["hosts"]["gpu-01"]


def errors(answer: dict[str, t.Any]) -> str:
    message: str = told((result(answer), "failed"))["hosts"]["gpu-01"]["errors"][0]["message"]
    return message


def test_a_message_names_who_it_is_about_however_long_it_is() -> None:
    told_of = "\n".join(f"person{number}: found x" for number in range(100))
    lines = errors({"msg": f"{told_of}\ncorrect it\n", "stderr": "\n".join(map(str, range(9)))}).splitlines()
    assert (lines[0], lines[20], lines[40]) == ("person0: found x", "... 61 lines are left out", "correct it")
    # What a program wrote says at its end why it ended.
    assert lines[41:] == ["4", "5", "6", "7", "8"]


def test_a_host_that_did_not_answer_comes_with_what_to_do() -> None:
    message = errors({"msg": "Timed out after 60 second(s).", "timedout": {"period": 60}})
    assert "does not answer" in message and "--host-timeout" in message and message.endswith("Timed out after 60 second(s).")


# What a module tells of a new file.
PART = {"before": "", "after_header": "/root/.ansible/tmp/x/a.j2", "after": "x\n"}


@pytest.mark.parametrize(
    ("dest", "entry", "place"),
    [
        ("/etc/a", {}, "/etc/a"),
        ("/etc/{{ item }}", {"item": "a", "invocation": {"dest": "/etc/a"}}, "/etc/a"),
        # ansible-core 2.21: no 'invocation' in the items of a loop
        ("/etc/{{ item }}", {"item": "a"}, "/etc/a"),
        ("/etc/{{ item.name }}/{{ item['file'] }}", {"item": {"name": "a", "file": "b"}}, "/etc/a/b"),
        ("/etc/{{ one.name }}", {"one": {"name": "a"}, "ansible_loop_var": "one"}, "/etc/a"),
        ("{{ folder }}/{{ item }}", {"item": "a", "dest": "/srv/a"}, "/srv/a"),
        # Nobody says where: what the module calls it is better than a template.
        ("{{ folder }}/{{ item }}", {"item": "a"}, None),
    ],
)
def test_a_difference_names_its_file(dest: str, entry: dict[str, t.Any], place: str | None) -> None:
    (part,) = located({"diff": [PART], **entry}, {"args": {"dest": dest}})
    assert part.get("before_header") == place
