# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import unicodedata

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._text.escapes import escape, in_one_line
from hypothesis import given
from hypothesis import strategies as st

# Controls, formats, surrogates, private use, lines, paragraphs, and what is not assigned.
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Cn")
# Letters by their category.
FILLERS = "\u115f\u1160"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2Jclean", r"\x1b[2Jclean"),
        ("\x9b31m", r"\x9b31m"),
        ("a\x00\x07\x08\x0b\x0c\x7f\x85", r"a\x00\x07\x08\x0b\x0c\x7f\x85"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069\u200e\u200f\u061c", r"\u2066a\u2069\u200e\u200f\u061c"),
        ("ad\u00admin\u200b\u2060\ufeff", r"ad\xadmin\u200b\u2060\ufeff"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("\ue000\U000f0000", r"\ue000\U000f0000"),
        ("\U000e0041", r"\U000e0041"),
        ("a\u3164b\ufe0f\u2800\u034f", r"a\u3164b\ufe0f\u2800\u034f"),
        ("a\xa0b", r"a\xa0b"),
        ("old\rnew", r"old\rnew"),
        ("a\r\nb\r\r\n", "a\nb\\r\n"),
        ("two\n\tlines\n", "two\n\tlines\n"),
        ("C:\\new \\x1b", "C:\\new \\x1b"),
        ("Jürgen, 张三, Ὀδυσσεύς, «quoted» 100 €", "Jürgen, 张三, Ὀδυσσεύς, «quoted» 100 €"),
        ("", ""),
    ],
)
def test_what_nobody_sees_is_written_out_and_the_rest_stays(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_one_line_stays_one_line() -> None:
    assert in_one_line("a\r\nb\tc\n") == r"a\r\nb\tc\n"


def test_every_character_of_these_categories_is_written_out() -> None:
    # The first two planes, tags, and where private use begins and ends; the rest is letters of China, or nothing.
    numbers = (*range(0x20000), *range(0xE0000, 0xE1000), 0xF0000, sys.maxunicode)
    signs = {chr(number) for number in numbers if unicodedata.category(chr(number)) in UNSEEN} - {"\n", "\t"}
    assert signs.isdisjoint(escape("".join(sorted(signs))))


@given(ANY_TEXT)
def test_nothing_is_left_that_has_power_over_a_terminal(text: str) -> None:
    told = escape(text)
    assert all(sign.isprintable() for sign in told.replace("\n", "").replace("\t", ""))
    assert "".join(escape(text, kept="").splitlines()) == escape(text, kept="")
    assert escape(told) == told


@given(st.text(st.characters(categories=("L", "N", "P", "S"), max_codepoint=0x27FF, exclude_characters=FILLERS)))
def test_what_is_seen_is_the_same_object(text: str) -> None:
    assert escape(text) is text
