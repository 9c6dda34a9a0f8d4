# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for pip, and the files that they name. Pure. Private to this collection."""

from __future__ import annotations

import re

_FILE_OPTION = re.compile(r"^(?P<flag>-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(?P<file>.+)$")
_CONTINUED = re.compile(r"\s*\\\n\s*")


def logical_lines(text: str) -> list[str]:
    """Lines as pip reads them: a backslash at the end continues a line."""
    return [line.strip() for line in _CONTINUED.sub(" ", text.replace("\r\n", "\n")).split("\n") if line.strip()]


def nested_file(line: str) -> tuple[str, str] | None:
    """(flag, file) of a requirement line such as `-r extra.txt`; None for any other line."""
    found = _FILE_OPTION.match(line.strip())
    return (found.group("flag"), unquote(found.group("file"))) if found else None


def unquote(text: str) -> str:
    """What is named, without a comment and quotes around it."""
    text = re.split(r"\s+#", text, maxsplit=1)[0].strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
