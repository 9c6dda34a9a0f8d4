# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drift run found. Pure: plain data in, plain data out; no Ansible, no files. Private to this collection."""

from __future__ import annotations

import datetime
import difflib
import hashlib
import json
import re
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Raised when a reader of older reports would misunderstand a newer one. Described by docs/drift-report.schema.json.
SCHEMA = 1

# Verdict -> exit code, the mildest first. A run (and a host) has the most severe verdict of all that happened to it:
# a failure hides more than a machine that is off, and a machine that is off hides more than drift that is known.
EXIT_CODES = {"clean": 0, "drift": 2, "unreachable": 4, "failed": 3}

# A report is read by people and kept for years; nobody reads more of one difference than this.
DIFF_LINES = 1000
HIDDEN = "(hidden: the task says no_log)"
MASK = "********"

_SEVERITY = list(EXIT_CODES)
# What a mapping is called, in the order of how well it says which one it is. Its other values may be secrets.
_NAMES = ("name", "path", "dest", "key", "id")
_SECRETS = (
    # PEM and OpenSSH private keys.
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?=-----END|\Z)"),
    # crypt(5) hashes: $6$salt$hash, $y$parameters$salt$hash, $2b$cost$hash.
    re.compile(r"(\$(?:1|2[abxy]|5|6|7|y|gy)\$)[./0-9A-Za-z$=,]{8,}"),
    # https://user:password@host/, and conda's https://host/t/token/channel.
    re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)"),
    re.compile(r"(://\S+?/t/)[^/\s]+(?=/)"),
    # password=x, "token": "x", DB_PASSWORD: x. Not sudo's NOPASSWD, nor sshd's PasswordAuthentication.
    re.compile(r"((?:\b|_)(?:password|token|secret|api_key|access_key|private_key)[\"']?[ \t]*[:=][ \t]*)\S.*", re.IGNORECASE),
)


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
    """

    kind: t.Literal["ok", "changed", "failed", "unreachable"]
    items: tuple[str, ...] = ()
    diffs: Sequence[t.Any] = ()
    message: str = ""
    hidden: bool = False
    notices: tuple[str, ...] = ()


@dataclass
class _Host:
    compared: int = 0
    drift: list[dict[str, t.Any]] = field(default_factory=list)
    errors: list[dict[str, t.Any]] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class DriftReport:
    """Collects what tasks said, then tells it as one plain dictionary."""

    def __init__(self, *, version: str, started: datetime.datetime) -> None:
        self._version = version
        self._started = started
        self._hosts: dict[str, _Host] = {}
        self._ended_before: str | None = None

    def record(self, host: str, task: TaskRef, outcome: Outcome) -> None:
        """Take in one result of one host."""
        known = self._hosts.setdefault(host, _Host())
        if outcome.kind in ("failed", "unreachable"):
            message = HIDDEN if outcome.hidden else mask(outcome.message.strip() or "no message")
            known.errors.append({"kind": outcome.kind, **_place(task, outcome), "message": message})
            return
        known.compared += 1
        known.notices += [] if outcome.hidden else [mask(sentence) for sentence in outcome.notices]
        if outcome.kind != "changed":
            return
        if task.handler:
            # It follows from a difference that was counted already: what a repair would restart.
            if task.name not in known.handlers:
                known.handlers.append(task.name)
            return
        difference = None if outcome.hidden else unified_diff(outcome.diffs) or None
        finding = {**_place(task, outcome), "diff": difference, "hidden": outcome.hidden}
        known.drift.append({**finding, "fingerprint": _fingerprint(finding)})

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
            problems.append(f"the run ended before the play '{self._ended_before}'; no host was compared to the end")
        hosts: dict[str, dict[str, t.Any]] = {}
        for name in sorted(self._hosts):
            host = self._hosts[name]
            final = [error for error in host.errors if error["kind"] == "failed"]
            final = final[len(final) - min(len(final), failures.get(name, 0)) :]
            lost = [error for error in host.errors if error["kind"] == "unreachable" and name in unreachable]
            incomplete = [_incomplete(message) for message in problems if not final and not lost]
            failed = final + incomplete
            hosts[name] = {
                "verdict": "failed" if failed else "unreachable" if lost else "drift" if host.drift else "clean",
                "compared": host.compared,
                "drift": _dated(host.drift, self._started, previous, name),
                "errors": failed + lost,
                "handlers": host.handlers,
                "notices": host.notices,
            }
        verdicts = [host["verdict"] for host in hosts.values()]
        verdict = "failed" if problems else most_severe(verdicts)
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
        text = ", ".join(label(part) for part in item)
    else:
        text = str(item)
    text = mask(" ".join(text.split()))
    return text if len(text) <= 120 else text[:119] + "…"


def unified_diff(diffs: Iterable[t.Any]) -> str:
    """Turn the C(diff) values that modules return into one unified diff, from what is to what should be."""
    lines = [line for entry in diffs for line in _diff_lines(entry)]
    if len(lines) > DIFF_LINES:
        lines[DIFF_LINES:] = [f"... {len(lines) - DIFF_LINES} more lines"]
    return "".join(line + "\n" for line in lines)


def mask(text: str) -> str:
    """Hide what looks like a secret. Roles hide their own (C(no_log), C(diff: false)); this is the second lock."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<1>{MASK}", text)
    return text


def _diff_lines(entry: t.Any) -> Iterator[str]:
    if isinstance(entry, (list, tuple)):
        for part in entry:
            yield from _diff_lines(part)
    elif isinstance(entry, str):
        yield from mask(entry).splitlines()
    elif isinstance(entry, Mapping):
        for key, why in (("binary", "is binary"), ("larger", "is too large to show")):
            for side, word in (("dst", "the file on the host"), ("src", "the wanted file")):
                if f"{side}_{key}" in entry:
                    yield f"({word} {why})"
        if "before" in entry and "after" in entry:
            yield from _compare(entry)
        if entry.get("prepared"):
            yield from mask(str(entry["prepared"])).splitlines()


def _compare(entry: Mapping[str, t.Any]) -> Iterator[str]:
    before, after = _text(entry["before"]), _text(entry["after"])
    # The wanted side may be a temporary file on the controller; the host's path names both, so that reports compare.
    path = str(entry.get("before_header") or entry.get("after_header") or "state")
    # Masked before they are compared: a hunk from the middle of a key would not show that it is one.
    sides = (mask(before).splitlines(), mask(after).splitlines())
    lines = list(difflib.unified_diff(*sides, f"{path} (is)", f"{path} (should be)", lineterm=""))
    if not lines and before != after:
        lines = [f"({path}: differs in what is hidden here, or in line endings)"]
    yield from lines


def _text(value: t.Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, default=str)


def _place(task: TaskRef, outcome: Outcome) -> dict[str, t.Any]:
    items = [] if outcome.hidden else list(outcome.items)
    return {"role": task.role, "task": task.name, "file": task.file, "line": task.line, "items": items}


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
