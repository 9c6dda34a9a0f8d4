# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slips of a keyboard, a web page or a word processor in a line of dependencies. Pure. Private to this collection.

conda and pip take most of them for a part of a name, or drop them, and their messages show a line that looks right.
"""

from __future__ import annotations

import re
import unicodedata

from .._text.escapes import in_one_line, unseen
from .errors import Path, SpecificationError

# What typesetting makes of signs that mean something here.
_TYPESET = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2264\u2a7d", "<="),
    **dict.fromkeys("\u2265\u2a7e", ">="),
    "\u2260": "!=",
    "\u2248": "~=",
    "\u2215": "/",
    "\u2217": "*",
    "\u00d7": "*",
}
# A file of requirements, named where a package is expected.
FILE = r"[\w.-]+\.txt"
_COMMENT = r"(?:^|\s)#.*"
_TWO = r"\s-\s"
_TURNED = r"=([<>!~])(?!=)"


def check(text: str, path: Path = (), *, ascii_only: bool = False) -> None:
    """Refuse a line with a sign that is not what it looks like, and one that holds two items of a list."""
    line = re.sub(_COMMENT, "", text)
    for number, sign in enumerate(line, 1):
        if sign == "\t" or (sign.isascii() and sign.isprintable()):
            continue
        plain = _TYPESET.get(sign, unicodedata.normalize("NFKC", sign))
        if unseen(sign) or plain.isascii() or ascii_only:
            name = unicodedata.name(sign, "no printable sign")
            instead = f"; expected {plain!r}" if plain.isascii() and plain != sign else ""
            raise SpecificationError(
                f"found {name} (U+{ord(sign):04X}) as character {number} of '{in_one_line(line.strip())}'{instead}",
                "Type that line again: web pages and word processors change signs.",
                path,
            )
    if re.search(_TWO, line):
        raise SpecificationError(
            f"found '{' '.join(line.split())}', which is two items in one",
            "Begin each item of the list in the same column: a blank too many makes it a part of the one before.",
            path,
        )


def turned(text: str) -> str:
    """With `<=` for `=<`, and the like."""
    return re.sub(_TURNED, r"\1=", text)
