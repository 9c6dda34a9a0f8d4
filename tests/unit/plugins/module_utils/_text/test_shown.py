# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import difflib
import json
import time
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._text.escapes import escape
from ansible_collections.openlab.research_server.plugins.module_utils._text.shown import (
    DEPTH,
    ITEMS,
    LIMIT,
    LINE_LIMIT,
    LINES,
    SIDE_LIMIT,
    TOO_DEEP,
    end_of,
    shown,
    shown_all,
    shown_diff,
    shown_line,
    sides,
    text_of,
)
from hypothesis import given
from hypothesis import strategies as st

EVIL = "\x1b[2J\u202eclean"
KEY = "\n".join(["-----BEGIN PRIVATE KEY-----", *(f"{number:064}" for number in range(20)), "-----END PRIVATE KEY-----"])
# Words of which secrets and worse are made.
TEXT = st.lists(
    st.sampled_from(
        [
            *(
                "password=",
                "://",
                "@",
                "/t/",
                "?token=",
                "-----BEGIN PRIVATE KEY-----",
                "-----END PRIVATE KEY-----",
                "$6$",
                "ghp_",
            ),
            *(
                "\x1b[31m",
                "\x1b",
                "\u202e",
                "\u200b",
                "\r\n",
                "\r",
                "\n",
                "\t",
                " ",
                "***",
                "\\x1b",
                "word",
                "A" * 64,
                "\udcff",
                "é",
            ),
        ]
    ),
    max_size=30,
).map("".join)


def nested(depth: int) -> t.Any:
    value: t.Any = EVIL
    for _level in range(depth):
        value = [value]
    return value


def test_a_text_is_escaped_and_its_secrets_hidden() -> None:
    assert shown(f"{EVIL}\n\tpassword=x\n") == "\\x1b[2J\\u202eclean\n\tpassword=***\n"
    assert shown_line(f"{EVIL}\n\tpassword=x") == "\\x1b[2J\\u202eclean\\n\\tpassword=***"


@given(TEXT, st.sampled_from(["password=", "https://ada:", "ghp_", "-----BEGIN PRIVATE KEY-----\n"]))
def test_whoever_shows_it_again_uncovers_nothing(text: str, mark: str) -> None:
    """A module shows what it says, and the report of it shows what the module said."""
    secret = "s3cretS3cret0123456789"
    told = shown(f"{text}\n{mark}{secret}@h.example/\n{text}")
    assert secret not in told
    for again in (told, shown(told), shown_line(told), shown_line(shown(text))):
        assert escape(again) == again
        assert secret not in again
    assert len(shown_line(text).splitlines()) <= 1


@pytest.mark.parametrize("text", ["x" * 10**6, "x\n" * 10**6, "\u202e" * 10**6, "\x1b\n" * 10**6, "é \n" * 10**6])
@pytest.mark.parametrize("limit", [LIMIT, SIDE_LIMIT])
def test_a_text_without_end_is_cut_and_says_so(text: str, limit: int) -> None:
    told = shown(text, limit)
    assert limit // 2 < len(told) <= limit
    assert told.splitlines()[-1] == f"... cut off here: {len(text)} characters are too many to be shown"
    assert shown("\u202e" * 50_000).endswith("300000 characters are too many to be shown")
    assert shown(told, limit) == told
    line = shown_line(text)
    assert len(line) == LINE_LIMIT
    assert line.endswith("…")


def test_a_text_is_cut_between_lines_and_not_in_a_secret() -> None:
    line = "word " * 10 + "\n"
    told = shown(line * (LIMIT // len(line) - 5) + f"https://ada:{'s3cret' * 500}@h.example/ {KEY}\n" + line * 1000)
    assert "s3cret" not in told
    assert "0" * 10 not in told
    assert set(shown(line * 10_000).splitlines()[:-1]) == {line.rstrip("\n")}


def test_what_is_read_beyond_the_cut_is_not_shown() -> None:
    """Hiding makes a text shorter; what stands behind its end was cut itself, and may be half a secret."""
    line = f"password={'x' * 90}\n"
    told = shown(line * (LIMIT // len(line)) + " " * 3000 + f"https://ada:{'s3cret' * 1000}@h.example/")
    assert "s3cret" not in told


def test_the_end_of_a_text_has_no_half_secret() -> None:
    assert end_of("a\nb\nc\n", 2) == "b\nc"
    # Of the last five lines alone nobody could tell that they are of a key.
    assert "0000" not in end_of(f"it failed\n{KEY}", 5)
    assert end_of("x\n" * 10**6 + f"{EVIL}\nlast", 2) == "\\x1b[2J\\u202eclean\nlast"
    assert len(end_of("y" * 10**6, 5)) <= LIMIT


def test_nested_data_is_shown_to_its_keys() -> None:
    value = {EVIL: [EVIL, {"a": (EVIL, 1, None, True)}], 3: "token=x"}
    assert shown_all(value) == {
        "\\x1b[2J\\u202eclean": ["\\x1b[2J\\u202eclean", {"a": ["\\x1b[2J\\u202eclean", 1, None, True]}],
        3: "token=***",
    }
    assert TOO_DEEP in json.dumps(shown_all(nested(900)))
    assert TOO_DEEP not in json.dumps(shown_all(nested(DEPTH)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("a", "a"),
        ({"b": 1, "a": None}, '{\n  "a": null,\n  "b": 1\n}'),
        ({1: {2}, "a": 2}, '{\n  "1": "{2}",\n  "a": 2\n}'),
        (float("nan"), "NaN"),
    ],
)
def test_anything_is_a_text(value: t.Any, expected: str) -> None:
    assert text_of(value) == expected


def test_a_text_of_anything_ends() -> None:
    assert TOO_DEEP in text_of(nested(900))
    told = text_of([[number] * 1000 for number in range(1000)])
    assert told.endswith(f"... more than {ITEMS} items")
    assert told.count("\n") < 2 * ITEMS


def test_a_difference_is_shown_and_says_what_it_conceals() -> None:
    def one(before: t.Any, after: t.Any, **more: str) -> t.Any:
        return shown_diff({"before": before, "after": after, "before_header": "/etc/x", **more})

    assert one(f"{EVIL}\n", "b\n") == {"before": "\\x1b[2J\\u202eclean\n", "after": "b\n", "before_header": "/etc/x"}
    assert one("password=a\n", "password=b\n") == {
        "before": "password=***\n",
        "after": "password=***\n",
        "before_header": "/etc/x",
        "prepared": "(/etc/x: differs in what is hidden here, or in line endings)\n",
    }
    assert "differs in what is hidden" in one("a\r\n", "a\n")["prepared"]
    assert "differs in what is hidden" in one("\x1b", "\\x1b")["prepared"]
    assert "prepared" not in one("password=a\n", "password=a\n")
    assert one("a", "a", after_header=f"{EVIL}\n", prepared=EVIL)["prepared"] == "\\x1b[2J\\u202eclean"
    assert one("a", "a", after_header=f"{EVIL}\n")["after_header"] == "\\x1b[2J\\u202eclean\\n"
    assert one({"mode": EVIL}, None) == {
        "before": '{\n  "mode": "\\u001b[2J\\u202eclean"\n}',
        "after": "",
        "before_header": "/etc/x",
    }


@pytest.mark.parametrize(
    "diff", [None, 3, "", [], {}, [[{"before": 1}]], {"after": []}, nested(900), [{"before": {}, "after": [[]]}]]
)
def test_a_difference_of_any_shape_is_shown(diff: t.Any) -> None:
    assert EVIL not in json.dumps(shown_diff(diff), ensure_ascii=False)


def test_a_key_is_hidden_also_when_only_its_middle_differs() -> None:
    told = shown_diff({"before": KEY, "after": KEY.replace("00010", "changed")})
    assert told["before"] == told["after"]
    assert "differs in what is hidden" in told["prepared"]


def test_two_long_sides_are_shortened_to_where_they_differ() -> None:
    lines = [f"line {number}\n" for number in range(5 * LINES)]
    before, after = sides("".join(lines), "".join([*lines[:3000], "another\n", *lines[3001:]]))
    assert before.splitlines() == [
        "... 2997 equal lines",
        *("line 2997", "line 2998", "line 2999", "line 3000", "line 3001", "line 3002", "line 3003"),
        "... 1996 equal lines",
    ]
    assert after.splitlines()[4] == "another"
    long, _other = sides("".join(lines), "")
    assert long.splitlines() == [line.rstrip("\n") for line in lines[:LINES]] + [f"... {4 * LINES} more lines"]


def test_a_line_without_end_is_cut() -> None:
    before, after = sides("x" * 10**6 + "\nb\n", "é" * LINE_LIMIT)
    assert before == f"{'x' * (LINE_LIMIT - 2)}…\n... cut off here: 1000003 characters are too many to be shown"
    assert after == "é" * LINE_LIMIT
    told = shown_diff({"before": "x" * 3000, "after": "x" * 3001})
    assert "differs in what is hidden" in told["prepared"]


@pytest.mark.parametrize("lines", [199, 1000, 100_000])
def test_what_ansible_compares_then_takes_no_time(lines: int) -> None:
    """Ansible's own output compares whatever a module returns, without any limit."""
    texts = (["a"] * lines, ["a", "b"] * (lines // 2), [str(number % 90) for number in range(lines)])
    before, *others = ("".join(f"{line}\n" for line in text) for text in texts)
    begun = time.process_time()
    for after in others:
        list(difflib.unified_diff(*(side.splitlines(keepends=True) for side in sides(before, after))))
    assert time.process_time() - begun < 10
