# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drift run found. Pure: plain data in, plain data out; no Ansible, no files. Private to this collection.

What comes in is what hosts said. Here it is made fit to be shown, once: the report has nothing but text that may be printed.
"""

from __future__ import annotations

import datetime
import difflib
import hashlib
import json
import typing as t
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...module_utils._text.secrets import mask
from ...module_utils._text.shown import DEPTH, SIDE_LIMIT, TOO_DEEP, concealed, cut, lines_of, shown, shown_line, text_of

# Raised when a reader of older reports would misunderstand a newer one. Described by docs/drift-report.schema.json.
SCHEMA = 1

# Verdict -> exit code, the mildest first. A run (and a host) has the most severe verdict of all that happened to it:
# a failure hides more than a machine that is off, and a machine that is off hides more than drift that is known.
EXIT_CODES = {"clean": 0, "drift": 2, "unreachable": 4, "failed": 3}

# A report is read by people and kept for years; nobody reads more of one difference than this.
DIFF_LINES = 1000
HIDDEN = "(hidden: the task says no_log)"
# How much of one result is looked at, in characters, where a part of it counts for some; and how much comparing it is worth, in
# pairs of lines. A host cannot make the controller compare for ever.
DIFF_LIMIT = 1024 * 1024
PART = 100
DIFF_EFFORT = 10_000_000
NOTICES = 100
LABEL = 120
NAMED_PARTS = 20
NAMED_THINGS = 1000

Kind = t.Literal["ok", "changed", "failed", "unreachable"]
_SEVERITY = list(EXIT_CODES)
# What a mapping is called, in the order of how well it says which one it is. Its other values may be secrets.
_NAMES = ("name", "path", "dest", "key", "id")


@dataclass(frozen=True)
class TaskRef:
    """Where a result comes from: the task's name, its role (without the collection, if it is ours) and its place."""

    name: str
    role: str | None = None
    file: str | None = None
    line: int | None = None
    handler: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a task said about a host.

    :param kind: V(ok), V(changed), V(failed) or V(unreachable).
    :param items: the labels of the loop items with that outcome.
    :param diffs: the C(diff) values of the result, as modules return them; empty if the task says C(diff: false).
    :param message: why it failed, or why the host cannot be reached.
    :param hidden: the task says C(no_log): nothing but its name may be told.
    :param notices: what the module wants people to know although nothing differs, such as a key that is about to expire.
    :param passed_over: it failed, and the run goes on with the host: nothing rescues it.
    """

    kind: Kind
    items: tuple[str, ...] = ()
    diffs: Sequence[t.Any] = ()
    message: str = ""
    hidden: bool = False
    notices: tuple[str, ...] = ()
    passed_over: bool = False


@dataclass
class _Host:
    compared: int = 0
    drift: list[dict[str, t.Any]] = field(default_factory=list)
    errors: list[dict[str, t.Any]] = field(default_factory=list)
    passed_over: dict[str | None, dict[str, t.Any]] = field(default_factory=dict)
    """By role: what fails in a role after that may only follow from it."""
    handlers: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    has: dict[str, list[str]] = field(default_factory=dict)


class DriftReport:
    """Collects what tasks said, then tells it as one plain dictionary."""

    def __init__(self, *, version: str, started: datetime.datetime) -> None:
        self._version = version
        self._started = started
        self._hosts: dict[str, _Host] = {}
        self._ended_before: str | None = None

    def record(self, host: str, task: TaskRef, outcome: Outcome) -> None:
        """Take in one result of one host."""
        known = self._hosts.setdefault(shown_line(host), _Host())
        if outcome.kind in ("failed", "unreachable"):
            message = HIDDEN if outcome.hidden else shown(outcome.message.strip()) or "no message"
            error = {"kind": outcome.kind, **_place(task, outcome), "message": message}
            if outcome.passed_over:
                known.passed_over.setdefault(task.role, error)
            # A run that puts something aside fails with it a second time, at its end.
            elif outcome.hidden or message not in [told["message"] for told in known.errors]:
                known.errors.append(error)
            return
        known.compared += 1
        known.notices += [] if outcome.hidden else _some(outcome.notices)
        if outcome.kind != "changed":
            return
        if task.handler:
            # It follows from a difference that was counted already: what a repair would restart.
            name = shown_line(task.name)
            if name not in known.handlers:
                known.handlers.append(name)
            return
        difference = None if outcome.hidden else unified_diff(outcome.diffs) or None
        finding = {**_place(task, outcome), "diff": difference, "hidden": outcome.hidden}
        known.drift.append({**finding, "fingerprint": _fingerprint(finding)})

    def has(self, host: str, what: Mapping[str, Iterable[str]]) -> None:
        """Take in what there is on a host, such as its C(gpus): a few words for each."""
        known = self._hosts.setdefault(shown_line(host), _Host()).has
        for kind, names in what.items():
            known[kind] = list(dict.fromkeys([*known.get(kind, []), *(shown_line(name, LABEL) for name in names)]))[:NAMED_THINGS]

    def misunderstood(self, host: str, why: str) -> None:
        """Take in that a result was of a shape that nobody knows: the host may hide something."""
        self._hosts.setdefault(shown_line(host), _Host()).unknown.append(shown_line(why))

    def ended_before(self, play: str) -> None:
        """Take in that the run ended early: this play, and any after it, was not begun."""
        self._ended_before = play

    def to_dict(
        self,
        *,
        finished: datetime.datetime,
        failures: Mapping[str, int],
        unreachable: Collection[str],
        previous: Mapping[str, t.Any] | None = None,
    ) -> dict[str, t.Any]:
        """Tell everything.

        :param failures: how many failures of a host were final. Rescued ones come before those, and do not count.
        :param unreachable: the hosts that were given up. Others answered later, or the task allowed it.
        :param previous: the last report, to tell what is new.
        """
        problems = []
        if not self._hosts:
            problems.append("no host was compared: none is in the groups of the roles; check inventory and --limit")
        if self._ended_before is not None:
            problems.append(f"the run ended before the play '{shown_line(self._ended_before)}'; no host was compared to the end")
        final_failures = {shown_line(name): count for name, count in failures.items()}
        given_up = {shown_line(name) for name in unreachable}
        hosts: dict[str, dict[str, t.Any]] = {}
        # What a host itself said or did not say explains why a run ended; then its verdict is the run's.
        unexplained = not self._hosts
        for name in sorted(self._hosts):
            host = self._hosts[name]
            final = [error for error in host.errors if error["kind"] == "failed"]
            final = [*host.passed_over.values(), *final[len(final) - min(len(final), final_failures.get(name, 0)) :]]
            lost = [error for error in host.errors if error["kind"] == "unreachable" and name in given_up]
            incomplete = [_incomplete(message) for message in problems if not final and not lost]
            unexplained |= bool(incomplete)
            unknown = [
                _incomplete(f"found a result that cannot be understood ({why}); look who owns {name}") for why in host.unknown
            ]
            failed = final + incomplete + unknown
            hosts[name] = {
                "verdict": "failed" if failed else "unreachable" if lost else "drift" if host.drift else "clean",
                "compared": host.compared,
                "drift": _dated(host.drift, self._started, previous, name),
                "errors": failed + lost,
                "handlers": host.handlers,
                "notices": host.notices,
                **host.has,
            }
        verdicts = [host["verdict"] for host in hosts.values()]
        verdict = "failed" if unexplained else most_severe(verdicts)
        return {
            "schema": SCHEMA,
            "collection": {"name": "openlab.research_server", "version": self._version},
            "started": _timestamp(self._started),
            "finished": _timestamp(finished),
            "duration_s": round((finished - self._started).total_seconds(), 1),
            "previous": previous.get("finished") if previous else None,
            "verdict": verdict,
            "exit_code": EXIT_CODES[verdict],
            "problems": problems,
            "hosts": hosts,
        }


def most_severe(verdicts: Iterable[str]) -> str:
    """The verdict that counts when there are several; V(clean) if there is none."""
    return max(verdicts, key=_SEVERITY.index, default="clean")


def label(item: t.Any) -> str:
    """Say which loop item this is without telling its values, which may be secrets."""
    if isinstance(item, Mapping):
        name = next((item[key] for key in _NAMES if isinstance(item.get(key), (str, int))), None)
        text = str(name) if name is not None else f"{{{', '.join(sorted(map(str, item)))}}}"
    elif isinstance(item, (list, tuple)):
        # Lists in a list say nothing that would name it.
        text = ", ".join("..." if isinstance(part, (list, tuple)) else label(part) for part in item[:NAMED_PARTS])
    else:
        text = str(item)
    return shown_line(" ".join(mask(text[:SIDE_LIMIT]).split()), LABEL)


def unified_diff(diffs: Iterable[t.Any]) -> str:
    """Turn the C(diff) values that modules return into one unified diff, from what is to what should be."""
    lines: list[str] = []
    comparison = _Comparison()
    for entry in _flat(diffs, DEPTH):
        if comparison.left < 0:
            lines.append("... more than can be compared")
            break
        lines += comparison.lines(entry)
    if len(lines) > DIFF_LINES:
        lines[DIFF_LINES:] = [f"... {len(lines) - DIFF_LINES} more lines"]
    return cut("".join(line + "\n" for line in lines), SIDE_LIMIT)


class _Comparison:
    """Compares the parts of one result, as long as it is worth it."""

    def __init__(self) -> None:
        self.left = DIFF_LIMIT
        self._effort = DIFF_EFFORT

    def lines(self, entry: t.Any) -> Iterator[str]:
        self.left -= PART
        if isinstance(entry, str):
            yield from self._lines(entry)
        elif isinstance(entry, Mapping):
            for key, why in (("binary", "is binary"), ("larger", "is too large to show")):
                for side, word in (("dst", "the file on the host"), ("src", "the wanted file")):
                    if f"{side}_{key}" in entry:
                        yield f"({word} {why})"
            if "before" in entry and "after" in entry:
                yield from self._compare(entry)
            if entry.get("prepared"):
                yield from self._lines(text_of(entry["prepared"]))

    def _lines(self, text: str) -> list[str]:
        self.left -= len(text)
        return [line.rstrip("\n") for line in lines_of(text)]

    def _compare(self, entry: Mapping[str, t.Any]) -> Iterator[str]:
        before, after = text_of(entry["before"]), text_of(entry["after"])
        # The wanted side may be a temporary file on the controller; the host's path names both, so that reports compare.
        path = shown_line(text_of(entry.get("before_header") or entry.get("after_header") or "state"))
        # Made fit to be shown before they are compared: a hunk from the middle of a key would not show that it is one.
        one, other = self._lines(before), self._lines(after)
        lines = list(self._unified(one, other, f"{path} (is)", f"{path} (should be)"))
        if not lines and before != after:
            lines = [concealed(path)]
        yield from lines

    def _unified(self, one: list[str], other: list[str], before: str, after: str) -> Iterator[str]:
        ours, theirs = Counter(one), Counter(other)
        pairs = sum(count * theirs[line] for line, count in ours.items())
        self._effort -= (len(one) + pairs) * min(len(one), len(other))
        if self._effort < 0 and one != other:
            # All of it, without looking for what has stayed.
            return iter([f"--- {before}", f"+++ {after}", *(f"-{line}" for line in one), *(f"+{line}" for line in other)])
        return difflib.unified_diff(one, other, before, after, lineterm="")


def _flat(parts: Iterable[t.Any], depth: int) -> Iterator[t.Any]:
    for part in parts:
        if not isinstance(part, (list, tuple)):
            yield part
        else:
            yield from _flat(part, depth - 1) if depth else [TOO_DEEP]


def _some(sentences: Sequence[str]) -> list[str]:
    told = [shown_line(sentence) for sentence in sentences[:NOTICES]]
    return [*told, f"... {len(sentences) - NOTICES} more"] if len(sentences) > NOTICES else told


def _place(task: TaskRef, outcome: Outcome) -> dict[str, t.Any]:
    items = [] if outcome.hidden else [shown_line(item) for item in outcome.items]
    role, file = (text and shown_line(text) for text in (task.role, task.file))
    return {"role": role, "task": shown_line(task.name), "file": file, "line": task.line, "items": items}


def _incomplete(message: str) -> dict[str, t.Any]:
    return {"kind": "failed", **_place(TaskRef("The whole run"), Outcome("failed")), "message": message}


def _fingerprint(finding: Mapping[str, t.Any]) -> str:
    """The same difference has the same fingerprint the next night, also after its task has moved to another line."""
    identity = [finding[key] for key in ("role", "task", "items", "diff")]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def _dated(
    drift: Iterable[Mapping[str, t.Any]], started: datetime.datetime, previous: Mapping[str, t.Any] | None, host: str
) -> list[dict[str, t.Any]]:
    try:
        past = (previous or {})["hosts"][host]["drift"]
        first_seen = {finding["fingerprint"]: str(finding["first_seen"]) for finding in past}
    except (KeyError, TypeError):
        first_seen = {}
    now = _timestamp(started)
    return [
        {
            **finding,
            "new": finding["fingerprint"] not in first_seen,
            "first_seen": first_seen.get(finding["fingerprint"], now),
        }
        for finding in drift
    ]


def _timestamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="seconds")
