# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command research-server-drift report: the last report as a page, and as a few lines for a mail. Private.

Jinja2 is Ansible's own; whoever has no page written needs none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .._files import write_private
from . import history, report_file
from ._page.words import LANGUAGES
from .history_store import HistoryError, beside
from .page import Nights, Since, view
from .parser import COULD_NOT_RUN, Parser

DESCRIPTION = """\
Show the last drift report as one page that needs nothing but a browser: no network, no script. It connects to no server.
Each file is replaced in one step, with mode 0600: the page tells what is in files of servers."""


def parser(report: Path) -> argparse.ArgumentParser:
    made = Parser(prog="research-server-drift report", description=DESCRIPTION, allow_abbrev=False)
    made.add_argument(
        "--report", type=Path, default=report, metavar="FILE", help="JSON report of the drift run; default: %(default)s"
    )
    made.add_argument("--html", type=Path, metavar="FILE", help="write the page to this file")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write a summary for a mail or a merge request to this file")
    made.add_argument("-i", "--inventory", action="append", metavar="PATH", help="inventory, for the commands on the page")
    add_language(made)
    return made


def add_language(made: argparse.ArgumentParser) -> None:
    made.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0], help="language of the page; default: %(default)s")


def main(arguments: Sequence[str], report: Path) -> int:
    """`report` is where drift runs leave theirs."""
    made = parser(report)
    options = made.parse_args(arguments)
    if not options.html and not options.markdown:
        made.error("found neither --html FILE nor --markdown FILE; expected at least one of them")
    try:
        write(options.report, html=options.html, markdown=options.markdown, options=options)
    except PageError as error:
        print(f"research-server-drift report: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    return 0


class PageError(Exception):
    """Why there is no page."""


def write(report: Path, *, html: Path | None, markdown: Path | None, options: argparse.Namespace) -> None:
    """Write what is asked for. Raises PageError."""
    try:
        from ._page import render  # noqa: PLC0415
    except ImportError as error:
        raise PageError(
            f"found no Jinja2 in {sys.executable} ({error}); it comes with Ansible: "
            "activate the virtual environment that Ansible is in"
        ) from error
    try:
        told = report_file.read(report)
    except report_file.ReportError as error:
        raise PageError(str(error)) from error
    nights, since = remembered(report)
    try:
        shown = view(told, nights=nights, since=since, inventories=options.inventory or [], source=report.name)
        pages = {
            html: render.html(shown, options.language) if html else "",
            markdown: render.markdown(shown, options.language) if markdown else "",
        }
    except report_file.ODD as error:
        raise PageError(str(report_file.not_understood(report, error))) from error
    for path, text in pages.items():
        if path:
            try:
                write_private(path.absolute(), text)
            except OSError as error:
                raise PageError(f"cannot write the page: {error}; name a file in a folder that you may write to") from error


def remembered(report: Path) -> tuple[Nights, Since]:
    """What former runs have found. A page without it says less, and nothing wrong."""
    path = beside(report)
    try:
        return history.nights(path), history.since(path)
    except HistoryError as error:
        print(f"research-server-drift: warning: the page has no history: {error}", file=sys.stderr)
        return {}, {}
