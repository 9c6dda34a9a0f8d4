# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed on the hosts since people were last told. Pure: plain data in, plain data out. Private to this collection.

The report alone would make noise: a host that is off hides what was found on it, and files that are read by turns are found on
one night and not on the next. What is still there is the history's to say.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ..history import COMPARED
from ..summary import title


class Change(t.NamedTuple):
    """One thing to tell. `kind` is V(new), V(changed), V(repaired), V(accepted) or V(verdict)."""

    host: str
    kind: str
    what: str


def situation(
    report: Mapping[str, t.Any], history: Mapping[str, t.Any] | None, before: Mapping[str, t.Any]
) -> dict[str, dict[str, t.Any]]:
    """By host its verdict, and what is there: fingerprint to title and place.

    :param history: hosts as `history --json` has them; V(None) where there is no history.
    :param before: the situation that was last told. A host that this run has left out is as it was.
    """
    hosts = {name: host for name, host in before.items() if history is None or name in history}
    for name, host in report["hosts"].items():
        if history is not None and name in history:
            there = _open(finding for finding in history[name]["findings"] if finding["ended"] is None)
            accepted = [finding["fingerprint"] for finding in history[name]["findings"] if finding["state"] == "accepted"]
        else:
            there, accepted = _open(host["drift"]), []
            if host["verdict"] not in COMPARED:
                there = {**before.get(name, {}).get("open", {}), **there}
        verdict = host["verdict"]
        hosts[name] = {"verdict": "drift" if verdict == "clean" and there else verdict, "open": there, "accepted": accepted}
    return hosts


def changes(before: Mapping[str, t.Any], now: Mapping[str, t.Any]) -> list[Change]:
    """Nothing if people know it all."""
    return [change for name in sorted(now) for change in _of_host(name, before.get(name), now[name])]


def _of_host(name: str, before: Mapping[str, t.Any] | None, now: Mapping[str, t.Any]) -> Iterator[Change]:
    # A host that nobody has heard of is as good as one that was clean.
    before = before or {"verdict": "clean", "open": {}}
    if before["verdict"] != now["verdict"]:
        yield Change(name, "verdict", f"{before['verdict']} -> {now['verdict']}")
    gone = {key: finding for key, finding in before["open"].items() if key not in now["open"]}
    replaced = [finding["place"] for finding in gone.values()]
    fresh = {key: finding for key, finding in now["open"].items() if key not in before["open"]}
    for finding in fresh.values():
        yield Change(name, "changed" if finding["place"] in replaced else "new", finding["title"])
    there = [finding["place"] for finding in fresh.values()]
    for key, finding in gone.items():
        if finding["place"] not in there:
            yield Change(name, "accepted" if key in now["accepted"] else "repaired", finding["title"])


def _open(findings: t.Iterable[Mapping[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    return {
        finding["fingerprint"]: {
            "title": f"{title(finding)}: {', '.join(finding['items'])}" if finding["items"] else title(finding),
            "place": [finding["role"], finding["task"], list(finding["items"])],
        }
        for finding in findings
    }
