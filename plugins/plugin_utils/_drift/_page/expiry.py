# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What expires: notices that name a last day, said once for all hosts that said it. Pure. Private to this collection."""

from __future__ import annotations

import datetime
import re
import typing as t
from collections.abc import Mapping, Sequence

from .finding import cut

# As the roles say it: a waiver of the audit, a key or an account of the accounts, a certificate of sshd.
_DATED = re.compile(r"\b(?:is waived until|expires on|expired on) (\d{4}-\d\d-\d\d)\b")
_WAIVER = re.compile(r": the waiver '.*' of .* matches nothing")
SHOWN = 40
NAMED_HOSTS = 6


def expiries(notices: Mapping[str, Sequence[str]], today: str) -> dict[str, t.Any]:
    """The soonest first; a waiver that covers nothing any more has no day, and comes last."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for host, sentences in notices.items():
        for sentence in dict.fromkeys(sentences):
            day = _day(sentence)
            if day or _WAIVER.search(sentence):
                hosts.setdefault((day, sentence), []).append(host)
    entries = sorted(hosts.items(), key=lambda entry: (entry[0][0] or "9999", entry[0][1]))
    told = [
        {
            "day": day,
            "left": (datetime.date.fromisoformat(day) - datetime.date.fromisoformat(today)).days if day else None,
            "sentence": cut(sentence),
            "hosts": names[:NAMED_HOSTS],
            "more_hosts": len(names[NAMED_HOSTS:]),
        }
        for (day, sentence), names in entries[:SHOWN]
    ]
    return {"entries": told, "more": len(entries) - len(told)}


def _day(sentence: str) -> str:
    """The last date that is one: what a host says in a name comes before it."""
    for day in reversed(_DATED.findall(sentence)):
        try:
            return datetime.date.fromisoformat(day).isoformat()
        except ValueError:
            continue
    return ""
