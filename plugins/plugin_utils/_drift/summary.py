# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift report as text for a terminal or a mail. Pure: the report in, lines out. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

# Changed lines shown per task; the report has them all.
SHOWN_LINES = 20
_COLORS = {"clean": "32", "drift": "33", "unreachable": "35", "failed": "31", "+": "32", "-": "31"}


def render(report: Mapping[str, t.Any], *, color: bool = False, width: int = 0) -> str:
    """One line per host, then one paragraph per host on which something was found.

    :param color: use ANSI colors (SGR).
    :param width: cut longer lines, in columns; 0 for never.
    """

    def paint(text: str, kind: str) -> str:
        # A tab is as wide as the terminal likes.
        text = text.expandtabs()
        text = text if not width or len(text) <= width else text[: width - 1] + "…"
        return f"\033[{_COLORS[kind]}m{text}\033[0m" if color and kind in _COLORS else text

    hosts = report["hosts"]
    lines = [f"Drift run of {report['started']}: {count(len(hosts), 'host')} in {report['duration_s']} s", ""]
    column = max((len(name) for name in hosts), default=0)
    for name, host in hosts.items():
        lines.append(
            paint(f"{host['verdict']:<12} {name:<{column}}  {_short(host, report['previous'])}".rstrip(), host["verdict"])
        )
    for name, host in hosts.items():
        if host["drift"] or host["errors"] or host.get("notices"):
            lines += ["", name]
            lines += [paint(line, kind) for line, kind in _details(host, report["previous"])]
    lines += [""] + [paint(sentence, "failed") for sentence in report["problems"]]
    return "\n".join([*lines, paint(f"verdict: {report['verdict']}", report["verdict"])])


def _short(host: Mapping[str, t.Any], previous: t.Any) -> str:
    parts = []
    if host["drift"]:
        new = sum(finding["new"] for finding in host["drift"]) if previous else 0
        parts.append(count(len(host["drift"]), "difference") + (f" ({new} new)" if new else ""))
    parts += [error["message"].splitlines()[0] for error in host["errors"]]
    return "; ".join(parts) or count(host["compared"], "task") + " compared"


def _details(host: Mapping[str, t.Any], previous: t.Any) -> Iterator[tuple[str, str]]:
    for error in host["errors"]:
        yield f"  {title(error)}: {error['kind']}", error["kind"]
        yield from ((f"      {line}", "") for line in error["message"].splitlines())
    for finding in host["drift"]:
        since = "" if not previous else "[new] " if finding["new"] else f"[since {finding['first_seen'][:10]}] "
        yield f"  {since}{title(finding)}", "drift"
        if finding["items"]:
            yield f"      {', '.join(finding['items'])}", ""
        if finding["hidden"]:
            yield "      (hidden: the task says no_log)", ""
        yield from changed_lines(finding["diff"] or "", "the report")
    if host["handlers"]:
        yield f"  a repair would also run: {', '.join(host['handlers'])}", ""
    yield from ((f"  note: {sentence}", "") for sentence in host.get("notices", ()))


def changed_lines(diff: str, where: str) -> Iterator[tuple[str, str]]:
    """Each with its kind: `+`, `-`, or none. ``where``: all of them are there."""
    # Neither context, nor places in it, nor the second half of a header tell what has changed.
    shown = [line for line in diff.splitlines() if not line.startswith((" ", "+++ ", "@@ "))]
    for line in shown[:SHOWN_LINES]:
        yield f"      {line.removeprefix('--- ')}", line[:1] if not line.startswith("--- ") else ""
    if len(shown) > SHOWN_LINES:
        yield f"      ... {len(shown) - SHOWN_LINES} more lines in {where}", ""


def title(place: Mapping[str, t.Any]) -> str:
    name = f"{place['role']}: {place['task']}" if place["role"] else str(place["task"])
    return f"{name} ({short_file(place['file'])}:{place['line']})" if place["file"] else name


def short_file(path: str) -> str:
    """From the collection's own folders on: the rest is where it happens to be installed."""
    for folder in ("/roles/", "/playbooks/"):
        if folder in path:
            return path[path.rindex(folder) + 1 :]
    return path


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
