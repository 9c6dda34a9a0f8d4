# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift report as a page for people. Pure: plain data in, plain data out, in no language. Private to this collection.

The templates of `_page` make HTML and Markdown of it.
"""

from __future__ import annotations

import datetime
import typing as t
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ._page.expiry import expiries
from ._page.finding import key
from ._page.host import Budget, details
from ._page.strip import strip
from .remedy import Commands
from .report import EXIT_CODES

# Columns of the fleet, those that most hosts have first; what is left shares the last one.
COLUMNS = 24
OTHERS = ("", "...")
# The details of so many hosts are open from the start.
OPEN = 3
# So many clean hosts are told by name without being asked.
CLEAN_OPEN = 12
MESSAGE = 120
_WORST_FIRST = list(reversed(EXIT_CODES))

Nights = Mapping[str, Sequence[tuple[str, str]]]
Since = Mapping[tuple[str, str], str]


def view(
    report: Mapping[str, t.Any], *, nights: Nights, since: Since, inventories: Iterable[str] = (), source: str = "drift.json"
) -> dict[str, t.Any]:
    """All that a page shows.

    :param nights: by host, the verdicts of former runs with their times (ISO 8601), the oldest first.
    :param since: by host and fingerprint, when a difference was first seen; what is not in it is as old as the report says.
    :param inventories: for the commands on the page.
    :param source: the name of the report, for what the page leaves out.
    """
    hosts = sorted(report["hosts"].items(), key=_worst_first)
    columns = _columns(host for _name, host in hosts)
    today = report["finished"][:10]
    budget, commands = Budget(), Commands(inventories)

    def age(name: str, finding: Mapping[str, t.Any]) -> dict[str, t.Any]:
        first = since.get((name, finding["fingerprint"]), finding["first_seen"])
        # Without a former run nothing is new.
        known = bool(report["previous"]) or (name, finding["fingerprint"]) in since
        return {"since": first[:10], "days": _days(first, today), "new": known and first >= report["started"]}

    rows = []
    for number, (name, host) in enumerate(hosts, start=1):
        anchor = f"host-{number}"
        row = _row(name, host, columns)
        ages = [age(name, finding) for finding in host["drift"]]
        row["new"] = sum(one["new"] for one in ages)
        row["oldest"] = min((one["since"] for one in ages if not one["new"]), default="") if report["previous"] else ""
        told = bool(host["drift"] or host["errors"] or host.get("notices"))
        row["anchor"] = anchor if told else ""
        row["details"] = details(name, anchor, host, ages=ages, budget=budget, commands=commands) if told else None
        row["strip"] = strip([*nights[name], (report["finished"], host["verdict"])], today) if name in nights else None
        rows.append(row)
    bad = [row for row in rows if row["verdict"] != "clean"]
    clean = [row for row in rows if row["verdict"] == "clean"]
    counts = Counter(row["verdict"] for row in rows)
    return {
        "report": {field: report[field] for field in ("verdict", "duration_s", "problems")},
        "version": report["collection"]["version"],
        "finished": _minute(report["finished"]),
        "previous": _minute(report["previous"]) if report["previous"] else "",
        "counts": [(verdict, counts[verdict]) for verdict in _WORST_FIRST],
        "new": sum(row["new"] for row in rows),
        "columns": columns,
        "bad": bad,
        "clean": clean,
        "open_bad": len(bad) <= OPEN,
        "open_clean": len(clean) <= CLEAN_OPEN,
        "nights": bool(nights),
        "expiries": expiries({name: host.get("notices", []) for name, host in hosts}, today),
        "source": source,
    }


def _worst_first(entry: tuple[str, Mapping[str, t.Any]]) -> tuple[t.Any, ...]:
    name, host = entry
    return (_WORST_FIRST.index(host["verdict"]), -len(host["errors"]), -len(host["drift"]), not host.get("notices"), name)


def _columns(hosts: Iterable[Mapping[str, t.Any]]) -> list[tuple[str, str]]:
    count = Counter(found for host in hosts for found in {key(item) for item in [*_failed(host), *host["drift"]]})
    columns = sorted(count, key=lambda column: (-count[column], column))
    return columns if len(columns) <= COLUMNS else [*columns[: COLUMNS - 1], OTHERS]


def _row(name: str, host: Mapping[str, t.Any], columns: Sequence[tuple[str, str]]) -> dict[str, t.Any]:
    last = len(columns) - 1
    places = {column: place for place, column in enumerate(columns)}
    cells: list[tuple[str, int]] = [("", 0)] * len(columns)
    for verdict, found in (("drift", host["drift"]), ("failed", _failed(host))):
        for place, number in Counter(places.get(key(item), last) for item in found).items():
            cells[place] = (verdict, number + cells[place][1])
    message = str(next((error["message"] for error in host["errors"]), ""))
    return {
        "name": name,
        "verdict": host["verdict"],
        "compared": host["compared"],
        "differences": len(host["drift"]),
        "message": message.partition("\n")[0][:MESSAGE],
        "cells": cells,
    }


def _failed(host: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """A host that could not be reached says nothing of a role."""
    return [error for error in host["errors"] if error["kind"] == "failed"]


def _days(first: str, today: str) -> int:
    return (datetime.date.fromisoformat(today) - datetime.date.fromisoformat(first[:10])).days


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"
