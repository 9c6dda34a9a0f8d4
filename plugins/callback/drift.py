# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listen to a run in check mode and report what has drifted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
type: aggregate
version_added: 0.1.0
short_description: report what a run in check mode would change
description:
  - Listens to a run with C(--check --diff) and writes what it would change, per host, as a JSON report.
    Prints a short summary at the end. In a run without C(--check) it does nothing.
  - It only listens. The result of a run is the same with and without it.
  - Tasks with C(no_log) are named and nothing else of them is told. A task with C(diff=false) shows no difference.
  - Characters that nobody sees, such as escape sequences, are written out, and what looks like a secret is hidden, in the
    report and in the summary.
  - Besides being enabled, it can be the stdout callback. Then the summary is all that is printed.
  - The report is described in C(docs/drift-report.schema.json) of the collection.
author: openlab.research_server maintainers (@openlab)
options:
  report:
    description:
      - File to write the report to. It is replaced in one step and only its owner can read it, mode V(0600),
        because differences may show what a file on a server says. Its directory is created with mode V(0700).
    type: path
    default: ~/.local/state/research-server/drift.json
    env:
      - name: RESEARCH_SERVER_DRIFT_REPORT
    ini:
      - section: callback_drift
        key: report
  previous:
    description:
      - Report of the last run. Differences that are not in it are marked as new.
      - If left out, it is the file that O(report) names, as it was before this run.
      - A file that does not exist, or cannot be understood, is no previous report.
    type: path
    env:
      - name: RESEARCH_SERVER_DRIFT_PREVIOUS
    ini:
      - section: callback_drift
        key: previous
  left_out:
    description:
      - File to write to what keeps tasks from being asked, such as C(--tags audit). It is empty if all are asked.
        If left out, it is not written.
      - What a run did not ask for is not repaired because the run did not find it.
    type: path
    env:
      - name: RESEARCH_SERVER_DRIFT_LEFT_OUT
    ini:
      - section: callback_drift
        key: left_out
  summary:
    description: Print the summary. V(drift) prints it only if a host is not clean, or if there is a notice about it.
    type: str
    choices: [always, drift, never]
    default: always
    env:
      - name: RESEARCH_SERVER_DRIFT_SUMMARY
    ini:
      - section: callback_drift
        key: summary
  progress:
    description: Print the name of each play when it begins, on standard error.
    type: bool
    default: false
    env:
      - name: RESEARCH_SERVER_DRIFT_PROGRESS
    ini:
      - section: callback_drift
        key: progress
requirements:
  - enable in C(callbacks_enabled) of C(ansible.cfg), or run C(scripts/research-server-drift) of the collection
"""

import dataclasses
import datetime
import json
import re
import shutil
import sys
import typing as t
from pathlib import Path

from ansible import context
from ansible.playbook.handler import Handler
from ansible.plugins.callback import CallbackBase
from ansible.utils.color import ANSIBLE_COLOR

from ..module_utils._host.difference import difference
from ..module_utils._text.shown import end_of, shown, shown_line, text_of
from ..plugin_utils._collection import collection_version
from ..plugin_utils._drift.report import DriftReport, Kind, Outcome, TaskRef, label, unified_diff
from ..plugin_utils._drift.summary import render
from ..plugin_utils._files import read_report, write_private

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = openlab.research_server.drift

  [callback_drift]
  report = reports/drift.json

shell: |
  ansible-playbook openlab.research_server.drift -i lab --check --diff
"""

COLLECTION = "openlab.research_server."
AUDIT = f"{COLLECTION}audit"
# Of why a task failed: a role names each person and thing that is odd; of what programs wrote the end will do.
MESSAGE_LINES = 40
STDERR_LINES = 5
STOPPED = (
    "found a host that lets Ansible in and does not answer; expected it to. What was begun there may still hang: look at it with "
    "'ps -ef' (python3, a disk or a file system that does not answer). A slow host gets more time with --host-timeout"
)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "openlab.research_server.drift"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        # What a run without --check changes is a repair.
        self.disabled = not context.CLIARGS.get("check", False)
        self._report = DriftReport(version=collection_version(), started=now())
        self._previous: dict[str, t.Any] | None = None
        self._plays: list[str] = []

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._plays = [play.get_name() for play in playbook.get_plays()]
        self._previous = self._previous or read_report(Path(self.get_option("previous") or self.get_option("report")))

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        if self._plays:
            self._plays.pop(0)
        if self.get_option("progress"):
            self._display.display(shown_line(play.get_name()), stderr=True)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._record(result, "changed" if result.is_changed() else "ok")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        # The roles of this collection ignore nothing: it is the run that goes on, for the sake of the others.
        ours = result._task._role and result._task._role.get_name(include_role_fqcn=True).startswith(COLLECTION)
        if ours or not ignore_errors:
            self._record(result, "failed", passed_over=ignore_errors)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._record(result, "unreachable")

    def _record(self, result: t.Any, kind: Kind, *, passed_over: bool = False) -> None:
        try:
            for host, task, outcome in unpack_all(result, kind):
                self._report.record(host, task, dataclasses.replace(outcome, passed_over=passed_over))
            self._report.has(result._host.get_name(), there_is(result._task.action, result._task_fields, result._result))
        except Exception as error:
            # Ansible would go on without it, and the host be called clean.
            self._report.misunderstood(result._host.get_name(), f"{type(error).__name__}: {error}")

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        if self._plays:
            # Ansible ends the whole run when all hosts of one play have failed, whatever the others still had to do.
            self._report.ended_before(self._plays[0])
        path = Path(self.get_option("report"))
        report = self._report.to_dict(
            finished=now(),
            failures=stats.failures,
            unreachable=stats.dark,
            previous=self._previous,
        )
        try:
            if self.get_option("left_out"):
                write_private(Path(self.get_option("left_out")), left_out(context.CLIARGS))
            write_private(path, json.dumps(report, indent=2) + "\n")
        except OSError as error:
            self._display.warning(f"drift: no report written: {error}")
        worth_reading = report["exit_code"] or any(host["notices"] for host in report["hosts"].values())
        if self.get_option("summary") == "always" or (self.get_option("summary") == "drift" and worth_reading):
            # Only a terminal has a width; a pipe gets whole lines.
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
            self._display.display(render(report, color=ANSIBLE_COLOR, width=width))


def unpack_all(result: t.Any, kind: Kind) -> t.Iterator[tuple[str, TaskRef, Outcome]]:
    """One result, or each finding of an audit as one of its own: what is new tonight is told by finding, and accepted by it."""
    host, task, outcome = unpack(result, kind)
    findings = result._result.get("findings") if result._task.action == AUDIT else None
    if not isinstance(findings, list) or kind == "unreachable":
        yield host, task, outcome
        if kind == "failed" and not outcome.hidden and unified_diff(outcome.diffs):
            # What it could not do, or ask, does not hide what it saw.
            yield host, task, dataclasses.replace(outcome, kind="changed")
        return
    for finding in findings:
        name = dataclasses.replace(task, name=text_of(finding["topic"]))
        after = f"{text_of(finding['expected'])}\n{text_of(finding['way_out'])}\n"
        diff = difference(text_of(finding["name"]), f"{text_of(finding['found'])}\n", after)
        yield host, name, Outcome("changed", items=(text_of(finding["name"]),), diffs=[diff])
    # What is left to say: notices, and topics that could not be looked at.
    yield host, task, outcome if kind == "failed" else dataclasses.replace(outcome, kind="ok", diffs=())


def unpack(result: t.Any, kind: Kind) -> tuple[str, TaskRef, Outcome]:
    """All that this plugin knows about Ansible's objects; ansible-core 2.18 has only the names with an underscore.

    The task is ours. What a host answered may be of any size and shape.
    """
    host, task = result._host.get_name(), result._task
    if kind == "ok":
        return host, TaskRef(""), Outcome(kind, notices=notices([result._result]))
    # The values of this host and this run, where `task` may still hold templates.
    fields, data = result._task_fields, result._result
    role = task._role.get_name(include_role_fqcn=True) if task._role else None
    file, _colon, line = (task.get_path() or "").rpartition(":")
    reference = TaskRef(
        name=str(fields.get("name") or task.action),
        role=role.removeprefix(COLLECTION) if role else None,
        file=file or None,
        line=int(line) if line.isdigit() else None,
        handler=isinstance(task, Handler),
    )
    looped = (task.loop is not None or task.loop_with) and isinstance(data.get("results"), list)
    results = [entry for entry in data["results"] if is_kind(entry, kind)] if looped else [data]
    hidden = bool(fields.get("no_log") or "censored" in data or any(entry.get("_ansible_no_log") for entry in [data, *results]))
    if hidden:
        return host, reference, Outcome(kind, hidden=True)
    named = bool(task.loop_control and task.loop_control.label)
    items = [entry.get("_ansible_item_label" if named else str(entry.get("ansible_loop_var", "item"))) for entry in results]
    return (
        host,
        reference,
        Outcome(
            kind,
            items=tuple(label(item) for item in items) if looped else (),
            # A module may return a difference although its task says `diff: false`.
            diffs=[part for entry in results for part in located(entry, fields)] if fields.get("diff") is not False else (),
            message="\n".join(message for entry in results or [data] for message in messages(entry)),
            notices=notices(results),
        ),
    )


def notices(results: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[str, ...]:
    """What modules want people to know although nothing differs."""
    told = [entry.get("notices") for entry in results if not entry.get("_ansible_no_log")]
    return tuple(text_of(sentence) for sentences in told if isinstance(sentences, list) for sentence in sentences)


def left_out(arguments: t.Mapping[str, t.Any]) -> str:
    """What of the command line, of the environment, or of ansible.cfg, keeps tasks from being asked."""
    tags = arguments.get("tags") or ["all"]
    wanted = [] if "all" in tags else [f"--tags {','.join(sorted(tags))}"]
    unwanted = [f"--skip-tags {','.join(sorted(arguments['skip_tags']))}"] if arguments.get("skip_tags") else []
    first = [f"--start-at-task {arguments['start_at_task']}"] if arguments.get("start_at_task") else []
    return shown_line(" ".join(wanted + unwanted + first))


def there_is(action: str, fields: t.Mapping[str, t.Any], data: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """What a host has, by the modules that look at it or are told of it. A module that was stopped knows nothing."""
    arguments = fields.get("args") or {}
    if action == f"{COLLECTION}nvidia_info" and isinstance(data.get("info"), dict):
        return {"gpus": [f"{gpu['architecture']} {gpu['device_id']} at {gpu['address']}" for gpu in data["info"]["gpus"]]}
    if action == f"{COLLECTION}conda_env":
        # None at all is as good as some.
        several = [arguments] if arguments.get("environments") is None else arguments["environments"]
        present = [one for one in several if one.get("state", "present") == "present"]
        return {"environments": [text_of(one.get("name") or one["prefix"]) for one in present]}
    if action == f"{COLLECTION}accounts":
        people = [*(arguments.get("administrators") or []), *(arguments.get("researchers") or [])]
        return {"people": sorted(text_of(one["name"]) for one in people if one.get("state", "present") == "present")}
    if action == AUDIT and isinstance(data.get("accepted"), list):
        return {"accepted": [label(one) for one in data["accepted"]]}
    return {}


def is_kind(item: t.Any, kind: str) -> bool:
    """Whether this item of a loop made the task's outcome; from ansible-core 2.21 on, a failed one only has the cause."""
    return isinstance(item, dict) and (bool(item.get(kind)) or (kind == "failed" and "exception" in item))


def located(entry: t.Mapping[str, t.Any], fields: t.Mapping[str, t.Any]) -> t.Iterator[t.Any]:
    """The differences of a result, each with its file: of a new file, copy and template only name a temporary source."""
    found = entry.get("diff") or []
    invocation = entry.get("invocation")
    arguments = {**(fields.get("args") or {}), **(invocation if isinstance(invocation, dict) else {})}
    path = arguments.get("dest") or arguments.get("path")
    if not isinstance(invocation, dict) and isinstance(path, str) and "{{" in path:
        # From ansible-core 2.21 on, an item of a loop does not say what it was called with.
        path = entry.get("dest") or entry.get("path") or filled(path, entry)
    for part in found if isinstance(found, list) else [found]:
        yield {"before_header": path, **part} if path and isinstance(path, str) and isinstance(part, dict) else part


def filled(path: str, entry: t.Mapping[str, t.Any]) -> str:
    """A path that names the item of a loop, or a key of it; empty if it names something else besides."""
    variable = str(entry.get("ansible_loop_var", "item"))

    def value(found: re.Match[str]) -> str:
        item = entry.get(variable)
        for key in re.findall(r"\w+", found["keys"]):
            item = item.get(key) if isinstance(item, dict) else None
        return item if isinstance(item, str) else found[0]

    text = re.sub(rf"\{{\{{\s*{re.escape(variable)}(?P<keys>(?:\.\w+|\[['\"]\w+['\"]\])*)\s*\}}\}}", value, path)
    return "" if "{{" in text or "{%" in text else text


def messages(entry: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Why it failed; a command says it on its standard error."""
    if entry.get("timedout"):
        yield STOPPED
    # Secrets are hidden before lines are left out: a part of one would not be seen as one.
    for key in ("msg", "reason"):
        yield from both_ends(shown(text_of(entry.get(key) or "").strip()).splitlines())
    for key in ("module_stderr", "stderr"):
        text = end_of(text_of(entry.get(key) or "").strip(), STDERR_LINES)
        if text:
            yield text


def both_ends(lines: list[str]) -> list[str]:
    """A message names who it is about first, and says last what to do."""
    if len(lines) <= MESSAGE_LINES:
        return lines
    half = MESSAGE_LINES // 2
    return [*lines[:half], f"... {len(lines) - 2 * half} lines are left out", *lines[-half:]]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
