# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.requirements import (
    logical_lines,
    nested_file,
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
