# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One difference, or one failure, as a page shows it. Pure. Private to this collection."""

from __future__ import annotations

import html
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..baseline import ROLE as AUDIT
from ..summary import short_file

# Lines of one text, and signs of one line. The report has them all.
LINES = 40
LENGTH = 300
ITEMS = 20
# What is named in a list of one line each.
THINGS = 3
_KINDS = {"+": "add", "-": "del", "@": "hunk", " ": "same", ".": "hunk"}

Line = tuple[str, str]


class Text(t.NamedTuple):
    """Lines of a text, each with its kind, and how many are left out."""

    lines: list[Line]
    more: int

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Text:
        return cls([(kind, cut(line)) for kind, line in lines[:LINES]], len(lines[LINES:]))

    @property
    def size(self) -> int:
        """About what it adds to a page."""
        return sum(len(html.escape(line).encode()) + 30 for _kind, line in self.lines)


def key(place: Mapping[str, t.Any]) -> tuple[str, str]:
    """What a difference is counted under: its role, or the topic of an audit."""
    return (place["role"] or "", place["task"] if place["role"] == AUDIT and "diff" in place else "")


def place(found: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Where it comes from: the task, its file and line, and which items of its loop."""
    items = found["items"]
    file = f"{short_file(found['file'])}:{found['line']}" if found["file"] else ""
    return {
        "task": found["task"],
        "file": file,
        "items": [cut(item) for item in items[:ITEMS]],
        "more_items": len(items[ITEMS:]),
    }


def failure(error: Mapping[str, t.Any]) -> dict[str, t.Any]:
    message = Text.of([("same", line) for line in error["message"].splitlines()])
    return {**place(error), "kind": error["kind"], "role": error["role"] or "", "topic": "", "message": message}


def difference(finding: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """With a finding of an audit, its way out stands apart from what was found and what was expected."""
    lines = list(_marked(finding["diff"] or ""))
    shown = {**place(finding), "hidden": finding["hidden"], "topic": key(finding)[1], "way_out": ""}
    # What it is about, where there is room for one line.
    things = finding["items"] or list(dict.fromkeys(line for kind, line in lines if kind == "head"))
    shown["things"], shown["more_things"] = [cut(thing) for thing in things[:THINGS]], len(things[THINGS:])
    if shown["topic"]:
        # The header is the finding's name, which is its item.
        lines = [(kind, line) for kind, line in lines if kind in ("add", "del")]
        if lines and lines[-1][0] == "add":
            shown["way_out"] = cut(lines.pop()[1][1:])
    return {**shown, "text": Text.of(lines)}


def _marked(diff: str) -> Iterator[Line]:
    """Each line with its kind. The two lines of a header become one, the path."""
    lines = diff.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("--- ") and following.startswith("+++ "):
            yield "head", line.removeprefix("--- ").removesuffix(" (is)")
        elif not (line.startswith("+++ ") and number and lines[number - 1].startswith("--- ")):
            yield _KINDS.get(line[:1], "same"), line


def cut(line: str) -> str:
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 1]}…"
