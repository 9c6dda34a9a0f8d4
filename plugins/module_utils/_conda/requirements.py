# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for pip, and the files that they name. Pure. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FILE_OPTION = re.compile(r"^(?P<flag>-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(?P<file>.+)$")
_JOINT = re.compile(r"(?:\s*\\\n)+\s*")


def logical_lines(text: str) -> list[str]:
    """Lines as pip reads them: a backslash at the end continues a line."""
    return [line for _number, line in numbered_lines(text)]


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, each with the number of its first piece."""
    begun = 1
    pieces: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        # For pip a comment goes no further than its line, and ends the one before it.
        comment = line.lstrip().startswith("#")
        # Where the text ends within a line, the backslash stays for the check to refuse: what was to follow is lost.
        continued = line.endswith("\\") and number < len(lines)
        if not (comment and pieces):
            pieces.append(line.strip("\\") if continued else line)
        if continued and not comment:
            continue
        # pip takes out the backslash alone. One blank is left of those around it, which are there to indent.
        joined = _JOINT.sub(lambda found: " " if set(found[0]) - set("\\\n") else "", "\\\n".join(pieces)).strip()
        if joined:
            yield begun, joined
        begun, pieces = number + 1, []


def nested_file(line: str) -> tuple[str, str] | None:
    """(flag, file) of a requirement line such as `-r extra.txt`; None for any other line."""
    found = _FILE_OPTION.match(line.strip())
    return (found.group("flag"), unquote(found.group("file"))) if found else None


def unquote(text: str) -> str:
    """What is named, without a comment and quotes around it."""
    text = re.split(r"\s+#", text, maxsplit=1)[0].strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
