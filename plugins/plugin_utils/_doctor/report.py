# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of the doctor as text and as a report. Pure. Private to this collection."""

from __future__ import annotations

import textwrap
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ...module_utils._text.shown import shown_line, text_of
from .judge import ERROR, OK, SEVERITIES, WARNING

SCHEMA = 1
VERDICTS = {OK: "ready", WARNING: "ready", ERROR: "blocked"}
CONTROLLER = "controller"
_COLORS = {OK: "32", WARNING: "33", ERROR: "31"}
_FINDING = ("topic", "severity", "found", "expected", "do")


def report(hosts: Mapping[str, Sequence[Mapping[str, t.Any]]], controller: Sequence[Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """All findings with a verdict for each host."""
    examined = {shown_line(name): _host(findings) for name, findings in sorted(hosts.items())}
    own = _host(controller)
    blocked = [name for name, host in {**examined, CONTROLLER: own}.items() if host["verdict"] == VERDICTS[ERROR]]
    return {"schema": SCHEMA, "ready": not blocked, "blocked": blocked, "controller": own, "hosts": examined}


def _host(findings: Sequence[Mapping[str, t.Any]]) -> dict[str, t.Any]:
    # Whatever was found is what a host said; in the report there is only what may be printed.
    told = [{key: shown_line(text_of(finding.get(key))) for key in _FINDING} for finding in findings]
    for finding in told:
        if finding["severity"] not in SEVERITIES:
            finding["severity"] = ERROR
    # A host without findings was not examined.
    worst = max((finding["severity"] for finding in told), key=SEVERITIES.index, default=ERROR)
    counts = {severity: sum(finding["severity"] == severity for finding in told) for severity in SEVERITIES}
    return {"verdict": VERDICTS[worst], "counts": counts, "findings": told}


def render(told: Mapping[str, t.Any], *, full: bool = False, color: bool = False, width: int = 0) -> str:
    """One table per host; without ``full`` only what needs attention, and one line for a host that is well.

    :param width: break longer lines, in columns; 0 for never.
    """

    def paint(text: str, severity: str) -> str:
        return f"\033[{_COLORS[severity]}m{text}\033[0m" if color else text

    lines = []
    for name, host in {CONTROLLER: told["controller"], **told["hosts"]}.items():
        worst = ERROR if host["verdict"] != VERDICTS[OK] else WARNING if host["counts"][WARNING] else OK
        lines.append(paint(f"{name}: {_headline(host)}", worst))
        for finding in host["findings"]:
            if (full and name != CONTROLLER) or finding["severity"] != OK:
                lines += [paint(line, finding["severity"]) for line in _rows(finding, width)]
    verdict = "nothing stops site.yml" if told["ready"] else f"site.yml would stop: {', '.join(told['blocked'])}"
    return "\n".join([*lines, paint(verdict, OK if told["ready"] else ERROR)])


def _headline(host: Mapping[str, t.Any]) -> str:
    if not host["findings"]:
        return "was not examined"
    counts = [f"{host['counts'][severity]} {severity}{'s' * (host['counts'][severity] != 1)}" for severity in (ERROR, WARNING)]
    return (
        f"{host['verdict']}, {', '.join(counts)}" if any(host["counts"][severity] for severity in (ERROR, WARNING)) else "ready"
    )


def _rows(finding: Mapping[str, str], width: int) -> Iterator[str]:
    text = finding["found"]
    if finding["expected"]:
        text += f"; expected {finding['expected']}"
    if finding["do"]:
        text += f"; to do: {finding['do']}"
    head = f"  {finding['severity']:<8} {finding['topic']:<10} "
    room = max(width - len(head), 40) if width else 10_000
    first, *rest = textwrap.wrap(text, room) or [""]
    yield f"{head}{first}"
    yield from (" " * len(head) + line for line in rest)
