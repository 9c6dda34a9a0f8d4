# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command research-server-drift history: what is there since when, and what has been repaired. Private."""

from __future__ import annotations

import json
import sys
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from . import history
from .history_store import HistoryError, beside
from .parser import Parser
from .summary import changed_lines, count, title

DESCRIPTION = """\
Tell what the drift runs have found so far. Without HOST one line for each host: its verdicts, what is there and since when, and
what the last run found repaired. With HOST each finding of that host."""
# What should be seen from afar is a capital.
LETTERS = {"clean": "c", "drift": "D", "failed": "F", "unreachable": "U"}
LEGEND = "c clean, D drift, F failed, U unreachable; the last one is the newest"


def positive(text: str) -> int:
    value = int(text)
    # Days, or nights: a century is enough for both.
    if not 0 < value <= 36_500:
        raise ValueError(text)
    return value


def parser(report: Path) -> Parser:
    made = Parser(prog="research-server-drift history", description=DESCRIPTION, allow_abbrev=False)
    made.add_argument("host", nargs="?", metavar="HOST", help="tell each finding of this host")
    made.add_argument(
        "--report",
        type=Path,
        default=report,
        metavar="FILE",
        help="JSON report of the drift runs; their history is beside it, with the suffix .db; default: %(default)s",
    )
    made.add_argument(
        "--nights", type=positive, default=history.NIGHTS, metavar="N", help="of how many runs to tell; default: %(default)s"
    )
    made.add_argument("--json", action="store_true", help="print all of it as JSON; docs/drift-history.schema.json describes it")
    return made


def main(arguments: Sequence[str], report: Path) -> int:
    """`report` is where drift runs leave theirs."""
    options = parser(report).parse_args(arguments)
    try:
        told = read(beside(options.report), options.nights, options.host)
    except (HistoryError, ValueError) as error:
        print(printable(f"research-server-drift history: {error}"), file=sys.stderr)
        return 1
    print(json.dumps(told, indent=2) if options.json else "\n".join(map(printable, render(told, whole=options.host is not None))))
    return 0


def read(path: Path, nights: int, host: str | None) -> dict[str, t.Any]:
    told = history.told(path, nights)
    if not told["runs"]:
        raise HistoryError(f"{path}: found no run; the next drift run with this report begins the history")
    if host is not None:
        if host not in told["hosts"]:
            raise HistoryError(f"{path}: found no host '{host}'; it has {', '.join(told['hosts']) or 'none'}")
        told["hosts"] = {host: told["hosts"][host]}
    return told


def printable(line: str) -> str:
    """What runs have written may be printed as it is. The file may be somebody else's."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line.expandtabs())


def render(told: Mapping[str, t.Any], *, whole: bool) -> Iterator[str]:
    """Lines. `whole`: with each finding."""
    runs, hosts = told["runs"], told["hosts"]
    yield f"{count(len(runs), 'run')} from {runs[0]['started'][:10]} to {runs[-1]['started'][:10]}; {LEGEND}"
    yield ""
    names = max(map(len, hosts), default=0)
    width = max((len(host["nights"]) for host in hosts.values()), default=0)
    for name, host in hosts.items():
        strip = "".join(LETTERS.get(night["verdict"], "?") for night in host["nights"])
        yield f"{name:<{names}}  {strip:>{width}}  {'; '.join(_short(host, runs[-1]))}"
        for finding in host["findings"] if whole else ():
            yield from _finding(finding)
    left_out = [run for run in runs if run["left_out"]]
    if left_out:
        yield ""
        yield "Without a letter, because they did not ask for everything; what they did not find is not repaired:"
        yield from (f"  {run['started']}  {run['verdict']}  ({run['left_out']})" for run in left_out)


def _short(host: Mapping[str, t.Any], last_run: Mapping[str, t.Any]) -> Iterator[str]:
    there = [finding for finding in host["findings"] if finding["ended"] is None]
    last = host["nights"][-1]["started"] if host["nights"] else ""
    compared = [night["started"] for night in host["nights"] if night["verdict"] in history.COMPARED]
    if last and compared[-1:] != [last]:
        # What is told next is what was known before.
        yield f"as of {compared[-1][:10]}" if compared else "not compared in these runs"
    if there:
        new = sum(finding["state"] == "new" for finding in there)
        oldest = min(finding["first_seen"] for finding in there)
        yield f"{count(len(there), 'difference')} since {oldest[:10]}" + (f" ({new} new)" if new else "")
    else:
        yield "no difference"
    for ending in ("repaired", "accepted"):
        ended = sum(finding["state"] == ending and finding["ended"] == last for finding in host["findings"])
        if ended:
            yield f"{ended} {ending}"
    if last and last != last_run["started"] and not last_run["left_out"]:
        yield f"not in the last run, but on {last[:10]}"


def _finding(finding: Mapping[str, t.Any]) -> Iterator[str]:
    yield f"  [{_state(finding)}] {title(finding)}"
    if finding["items"]:
        yield f"      {', '.join(finding['items'])}"
    if finding["hidden"]:
        yield "      (hidden: the task says no_log)"
    yield from (line for line, _kind in changed_lines(finding["diff"] or "", "--json"))


def _state(finding: Mapping[str, t.Any]) -> str:
    if finding["state"] == "new":
        return "new"
    since = f"since {finding['first_seen'][:10]}, {count(finding['runs'], 'run')}"
    if finding["state"] == "open":
        return since if finding["seen_by_last"] else f"{since}, last seen {finding['last_seen'][:10]}"
    return f"{finding['state']} {finding['ended'][:10]}, there {since}"
