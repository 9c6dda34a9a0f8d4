# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a page, in the languages that have a file. Private to this collection.

What a host said is in nobody's language, and stays as it is.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

FOLDER = Path(__file__).parent / "templates"
LANGUAGES = ("en", "zh")


class Words:
    """`text` for a sentence, `count` for a number of things: in the file, the form for one comes before that for others."""

    def __init__(self, language: str) -> None:
        self._words: dict[str, t.Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))

    def text(self, key: str, **values: t.Any) -> str:
        return str(self._words[key]).format(**values)

    def count(self, key: str, number: int) -> str:
        forms = self._words[key]
        return str(forms[0] if number == 1 else forms[-1]).format(number=number)
