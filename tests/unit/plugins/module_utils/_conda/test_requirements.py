# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.requirements import (
    logical_lines,
    nested_file,
    numbered_lines,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-r more.txt", ("-r", "more.txt")),
        ("-rmore.txt", ("-r", "more.txt")),
        ("--requirement more.txt", ("--requirement", "more.txt")),
        ("--requirement=more.txt", ("--requirement", "more.txt")),
        ("-c 'a b.txt'  # limits", ("-c", "a b.txt")),
        ("-r https://h.example/r.txt", ("-r", "https://h.example/r.txt")),
        ("requests", None),
        ("# -r more.txt", None),
    ],
)
def test_files_named_in_requirements(line: str, expected: tuple[str, str] | None) -> None:
    assert nested_file(line) == expected


def test_lines_that_continue() -> None:
    assert logical_lines("a==1 \\\n  --hash=x \\\r\n  --hash=y\n\n b \n# c") == ["a==1 --hash=x --hash=y", "b", "# c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# old \\\nrequests==2\nflask\n", ["# old", "requests==2", "flask"]),
        ("  # old \\\nrequests==2\n", ["# old", "requests==2"]),
        ("requests==2 \\\n# why\nflask\n", ["requests==2", "flask"]),
        ("requests==2 \\\n# why \\\nflask\n", ["requests==2", "flask"]),
        ("requests==2 \\\n\nflask\n", ["requests==2", "flask"]),
        ("requests==2 \\\n\\\n  --hash=x\n", ["requests==2 --hash=x"]),
        ("requests\\\n==2\n", ["requests==2"]),
        ("flask\nrequests==2 \\\n", ["flask", "requests==2"]),
    ],
)
def test_lines_continue_as_far_as_pip_reads_them(text: str, expected: list[str]) -> None:
    assert logical_lines(text) == expected


def test_a_line_that_the_end_of_the_text_cuts_off_is_not_taken_for_whole() -> None:
    assert logical_lines("requests==2 \\") == ["requests==2 \\"]


def test_lines_have_the_number_where_they_begin() -> None:
    assert list(numbered_lines("\na \\\n b\n\n# c \\\nd\n")) == [(2, "a b"), (5, "# c"), (6, "d")]
