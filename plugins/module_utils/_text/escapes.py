# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write out what cannot be seen in a text. Pure. Private to this collection.

Escape sequences move the cursor of a terminal, other signs turn the direction of writing or have no width: with them a file on a
server could paint what an operator reads. The notation is Python's, C(\\x1b) or C(\\u202e).
"""

from __future__ import annotations

from collections.abc import Sequence

# Printable by their category, and yet nothing is seen of them: fillers, variation selectors, the empty pattern of braille.
_UNSEEN = frozenset(
    map(
        chr,
        [
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
        ],
    )
)


def unseen(text: str, kept: str = "") -> set[str]:
    """The characters of a text that nobody sees, or that are more than a character to a terminal."""
    if text.isascii() and text.isprintable():  # almost every text
        return set()
    return {sign for sign in set(text).difference(kept) if not sign.isprintable() or sign in _UNSEEN}


def escape(text: str, kept: str = "\n\t") -> str:
    """Write them out, but those that are kept. What is left has no power over a terminal; the end of a line is a newline."""
    if "\n" in kept:
        text = text.replace("\r\n", "\n")
    odd = {ord(sign): sign.encode("unicode_escape").decode("ascii") for sign in unseen(text, kept)}
    return text.translate(odd) if odd else text


def in_one_line(text: str) -> str:
    """A path, a name, or what else may not have line ends of its own."""
    return escape(text, "")


def listing(texts: Sequence[str], told: int = 20) -> str:
    """Several of them, and how many there are more."""
    more = f" and {len(texts) - told} more" if len(texts) > told else ""
    return ", ".join(map(in_one_line, texts[:told])) + more
