# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML and Markdown of a page. What a host said is text in both, whatever signs it has. Private to this collection."""

from __future__ import annotations

import base64
import hashlib
import typing as t
from collections.abc import Mapping

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ....module_utils._text.escapes import escape, in_one_line
from ..spans import span
from .strip import HEIGHT, WIDTH
from .words import FOLDER, Words

# A sign beside each colour and word.
SIGNS = {"failed": "✕", "unreachable": "?", "drift": "≠", "clean": "✓"}
# What a mail or a merge request has of a long report: hosts, and differences of one role on one host.
HOSTS = 20
FINDINGS = 5


def html(view: Mapping[str, t.Any], language: str) -> str:
    words = Words(language)
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # What nobody sees is written out here as well: the report may be from elsewhere.
    made = _environment(lambda value: escape(value) if isinstance(value, str) else value)
    # The style is the collection's own, and must stay as it was hashed.
    globals_ = {"text": words.text, "count": words.count, "style": Markup(style), "digest": digest}  # noqa: S704
    return made.get_template("page.html.j2", globals=globals_).render(
        **view, language=words.text("language"), signs=SIGNS, width=WIDTH, height=HEIGHT
    )


def markdown(view: Mapping[str, t.Any], language: str) -> str:
    words = Words(language)

    # The words are the collection's own files; what comes from elsewhere is a code span.
    def text(key: str, **values: t.Any) -> Markup:
        return Markup(words.text(key, **{name: code(value) for name, value in values.items()}))  # noqa: S704

    def count(key: str, number: int) -> Markup:
        return Markup(words.count(key, number))  # noqa: S704

    # All that is no word of the page is code: there, no sign has a meaning.
    made = _environment(code)
    return made.get_template("page.md.j2", globals={"text": text, "count": count}).render(
        **view, shown_hosts=HOSTS, shown_findings=FINDINGS
    )


def code(value: t.Any) -> t.Any:
    """A text as a code span."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return Markup(span(in_one_line(value)))  # noqa: S704  no sign in it is Markdown


def _environment(finalize: t.Callable[[t.Any], t.Any]) -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
