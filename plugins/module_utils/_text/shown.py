# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host said, as a person may see it: nothing in it is hidden, secret, or without end. Pure. Private to this collection.

What is written to a file, or decided on, never comes through here.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Iterable, Mapping

from .escapes import escape
from .secrets import mask

# Characters of one message, of one line, and of one side of a difference. Nobody reads more, and a host may say anything.
LIMIT = 64 * 1024
LINE_LIMIT = 2000
SIDE_LIMIT = 256 * 1024
# Lines of one side of a difference: what compares them takes more than twice the time for twice as many.
LINES = 1000
CONTEXT = 3
# How deep, and how many, the items of a host's answer may be where they are shown as a whole.
DEPTH = 20
ITEMS = 10_000
TOO_DEEP = "(nested too deeply to be shown)"
_CUT = "... cut off here: {} characters are too many to be shown"
_SIDES = ("before", "after")
_HEADERS = ("before_header", "after_header")
# A secret that goes on behind the cut is recognised if it is not longer than this.
_BEYOND = 4096


def shown(text: str, limit: int = LIMIT) -> str:
    """A text of lines. It says itself how much of it is left out."""
    return cut(escape(_head(text, limit)), limit, len(text))


def shown_line(text: str, limit: int = LINE_LIMIT) -> str:
    """A name, or whatever else has to stay on one line: a second line could be taken for another message."""
    told = escape(_head(text, limit), kept="")
    return told if len(told) <= limit and len(text) <= limit else f"{told[: limit - 1]}…"


def cut(told: str, limit: int, size: int = 0) -> str:
    """The beginning of a text that may be shown. ``size`` is that of the text that it was made of."""
    if len(told) <= limit and size <= limit:
        return told
    size = size if size > limit else len(told)
    told = told[: limit - len(_CUT) - 20]
    # Not in the middle of a line, unless it is one that has no end.
    end = told.rfind("\n") + 1
    told = told[:end] if end > limit // 2 else f"{told}\n"
    return told + _CUT.format(size)


def end_of(text: str, lines: int) -> str:
    """The last lines, where a program says why it failed."""
    if len(text) > LIMIT:
        # The first of them may be the rest of one; if there is only one, its beginning says more.
        text = text[-LIMIT:].partition("\n")[2] or text
    return cut("\n".join(escape(_head(text, LIMIT)).splitlines()[-lines:]), LIMIT)


def shown_all(value: t.Any, show: Callable[[str], str] = shown, depth: int = DEPTH) -> t.Any:
    """Every text in nested plain data; numbers and the like stay."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        return show(value)
    if isinstance(value, (Mapping, list, tuple)) and not depth:
        return TOO_DEEP
    if isinstance(value, Mapping):
        pairs = ((escape(show(key), "") if isinstance(key, str) else key, item) for key, item in value.items())
        return {key: shown_all(item, show, depth - 1) for key, item in pairs}
    if isinstance(value, (list, tuple)):
        return [shown_all(item, show, depth - 1) for item in value]
    return value


def text_of(value: t.Any) -> str:
    """Anything as a text: what is none becomes JSON, as far as a person reads."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    left = [ITEMS]
    text = json.dumps(_plain(value, DEPTH, left), indent=2, sort_keys=True, default=str)
    return text if left[0] >= 0 else f"{text}\n... more than {ITEMS} items"


def shown_diff(diff: t.Any, depth: int = DEPTH) -> t.Any:
    """The C(diff) of a module's result, in any of the forms that Ansible knows."""
    if isinstance(diff, (list, tuple)):
        return [shown_diff(part, depth - 1) for part in diff] if depth else TOO_DEEP
    if not isinstance(diff, Mapping):
        return shown_all(diff)
    both = all(side in diff for side in _SIDES)
    others = {key: value for key, value in diff.items() if not (both and key in _SIDES)}
    told = {key: shown_line(text_of(value)) if key in _HEADERS else shown_all(value) for key, value in others.items()}
    if both:
        before, after = (text_of(diff[side]) for side in _SIDES)
        told["before"], told["after"] = sides(before, after)
        if told["before"] == told["after"] and before != after:
            told["prepared"] = f"{told.get('prepared', '')}{concealed(told.get('before_header') or 'state')}\n"
    return told


def concealed(path: str) -> str:
    """What to say of a difference that cannot be shown."""
    return f"({path}: differs in what is hidden here, or in line endings)"


def sides(before: str, after: str) -> tuple[str, str]:
    """Both sides of a difference, short enough to be compared; without secrets, of which a part would not be seen as one."""
    one, other = lines_of(before), lines_of(after)
    if max(len(one), len(other)) > LINES:
        one, other = _without_equal_ends(one, other)
    return _first(one), _first(other)


def lines_of(text: str) -> list[str]:
    """The lines of one side, with their ends."""
    lines = shown(text, SIDE_LIMIT).splitlines(keepends=True)
    return [line if len(line) <= LINE_LIMIT else f"{line[: LINE_LIMIT - 2]}…\n" for line in lines]


def _without_equal_ends(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    shorter = min(len(one), len(other))
    head = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    tail = next((index for index in range(shorter - head) if one[-1 - index] != other[-1 - index]), shorter - head)
    head, tail = max(head - CONTEXT, 0), max(tail - CONTEXT, 0)
    above, below = ([f"... {count} equal lines\n"] if count else [] for count in (head, tail))
    return [*above, *one[head : len(one) - tail], *below], [*above, *other[head : len(other) - tail], *below]


def _first(lines: list[str]) -> str:
    more = [f"... {len(lines) - LINES} more lines\n"] if len(lines) > LINES else []
    return "".join([*lines[:LINES], *more])


def _head(text: str, limit: int) -> str:
    """The beginning of a text without its secrets."""
    return mask(text[: limit + _BEYOND], keep=limit)


def _plain(value: t.Any, depth: int, left: list[int]) -> t.Any:
    """Nested data with an end; `left` counts the items for all levels."""
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if not depth:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1, left) for key, item in _some(value.items(), left)}
    return [_plain(item, depth - 1, left) for item in _some(value, left)]


def _some(items: Iterable[t.Any], left: list[int]) -> t.Iterator[t.Any]:
    for item in items:
        left[0] -= 1
        if left[0] < 0:
            return
        yield item
