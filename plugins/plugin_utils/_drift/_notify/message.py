# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message as it waits and goes out: one subject, one text, the same as data. Pure. Private to this collection.

All that hosts have said is in the report already, and there it is fit to be shown; what is cut here is cut because of its length.
"""

from __future__ import annotations

import datetime
import typing as t
from collections import Counter
from collections.abc import Mapping

from ....module_utils._text.escapes import escape, in_one_line
from ....module_utils._text.shown import cut
from ..spans import harmless
from .decision import Event

# Raised when a receiver would misunderstand it.
SCHEMA = 1
# Changes named in a message, and characters of its text: receivers refuse more, and nobody reads it.
NAMED = 50
TEXT = 32 * 1024
SUBJECT = 160
SIGNS = {"new": "+", "changed": "~", "repaired": "-", "accepted": "-", "verdict": "*"}
# What to do about it, by the kind of the event.
WAYS_OUT = {
    "alarm": "Look why on the controller: systemctl list-timers 'research-server-drift*'; journalctl -u research-server-drift",
    "failed": "Look why on the controller: journalctl -u {unit}",
}


def message(
    event: Event, *, lab: str, now: datetime.datetime, number: str, report: Mapping[str, t.Any] | None = None, summary: str = ""
) -> dict[str, t.Any]:
    """What is put into the spool. What a webhook gets is this, as JSON.

    :param lab: whose servers they are, for people who hear of several.
    :param number: nobody else's; a receiver that gets the same message twice knows it by this.
    :param summary: of the last report, in Markdown or as a text.
    """
    named = event.changes[:NAMED]
    changes = [{"host": change.host, "kind": change.kind, "what": change.what} for change in named]
    lines = [f"{lab}: {event.headline}", ""]
    lines += [f"{SIGNS[change.kind]} {harmless(change.host)}: {change.kind}: {harmless(change.what)}" for change in named]
    if len(event.changes) > len(named):
        lines.append(f"... {len(event.changes) - len(named)} more")
    if event.kind in WAYS_OUT:
        lines.append(WAYS_OUT[event.kind].format(unit=event.headline.partition(" ")[0]))
    if summary and event.kind in ("change", "digest"):
        lines += ["", summary.strip()]
    told = report or {"verdict": None, "hosts": {}}
    return {
        "schema": SCHEMA,
        "id": number,
        "created": now.isoformat(timespec="seconds"),
        "lab": lab,
        "kind": event.kind,
        "subject": _subject(f"{lab}: {event.headline}"),
        "text": cut(escape("\n".join(lines).rstrip() + "\n"), TEXT),
        "verdict": told["verdict"],
        "hosts": dict(Counter(host["verdict"] for host in told["hosts"].values())),
        "changes": changes,
    }


def _subject(text: str) -> str:
    told = in_one_line(text)
    return told if len(told) <= SUBJECT else f"{told[: SUBJECT - 1]}…"
