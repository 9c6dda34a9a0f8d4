# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git's settings for everybody on a host. Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CONFIG = "/etc/gitconfig"
ATTRIBUTES = "/etc/gitattributes"


def parse(listing: str) -> dict[str, list[str]]:
    """Key -> its values, the last of which counts, from ``git config --list -z``. A key without a value is true."""
    found: dict[str, list[str]] = {}
    for entry in filter(None, listing.split("\0")):
        key, newline, value = entry.partition("\n")
        found.setdefault(key, []).append(value if newline else "true")
    return found


def changes(found: Mapping[str, Sequence[str]], wanted: Mapping[str, str], present: bool) -> dict[str, str | None]:
    """Key -> the value that it is to get, or None where it is to go; only what is not so yet."""
    if present:
        return {key: value for key, value in wanted.items() if list(found.get(key, ())) != [value]}
    return {key: None for key in wanted if key in found}


def with_lines(text: str, lines: Sequence[str], present: bool) -> str:
    """The text with these lines in it, or without them. At the top, since the last line for a file wins (gitattributes(5))."""
    there = text.splitlines()
    rest = [line for line in there if line not in lines]
    if present:
        rest = there if all(line in there for line in lines) else [*lines, *rest]
    return "".join(f"{line}\n" for line in rest)
