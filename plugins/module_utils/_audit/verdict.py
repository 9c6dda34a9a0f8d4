# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings beside what a lab has accepted. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from .finding import Finding, is_named
from .privileged_files import RIGHTS
from .privileged_files import TOPIC as EVERYWHERE


@dataclasses.dataclass(frozen=True)
class Waiver:
    """An exception for a time: somebody answers for it."""

    topic: str
    name: str
    """May be a pattern with `*` and `?` (fnmatch(3)); a bracket is one, as in an IPv6 listener."""
    owner: str
    reason: str
    expires: datetime.date
    """The first day on which it does not count any more, as with keys and accounts."""

    @classmethod
    def of(cls, item: Mapping[str, t.Any]) -> Waiver:
        """Raises ValueError with the date that is none."""
        try:
            expires = datetime.date.fromisoformat(str(item["expires"]))
        except ValueError:
            raise ValueError(
                f"audit_waivers: found the date '{item['expires']}' for {item['topic']} '{item['name']}'; expected YYYY-MM-DD"
            ) from None
        return cls(item["topic"], item["name"], item["owner"], item["reason"], expires)

    def covers(self, finding: Finding) -> bool:
        return finding.topic == self.topic and is_named(finding.name, self.name)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`drift` is what somebody has to explain; `notices` is what somebody should know."""

    drift: tuple[Finding, ...]
    notices: tuple[str, ...]


def judge(
    findings: Iterable[Finding],
    accepted: Sequence[tuple[str, str]],
    waivers: Sequence[Waiver],
    topics: Iterable[str],
    today: datetime.date,
) -> Verdict:
    """Tell drift from what was accepted: (topic, name) of the baseline, and waivers. `topics` are those that were looked at."""
    found = sorted(set(findings))
    drift: list[Finding] = []
    notices: list[str] = []
    used: set[Waiver] = set()
    for finding in found:
        covering = [item for item in waivers if item.covers(finding)]
        used.update(covering)
        # Of one that has expired and one that renews it, the latter.
        waiver = max(covering, key=lambda item: item.expires, default=None)
        if (finding.topic, finding.name) in accepted:
            continue
        if finding.severity == "notice":
            notices.append(f"{finding.topic}: {finding.name}: {finding.found}; {finding.way_out}")
        elif waiver and waiver.expires > today:
            notices.append(f"{finding.topic}: {finding.name} is waived until {waiver.expires} ({waiver.owner}: {waiver.reason})")
        elif waiver:
            over = f"{finding.found}; its waiver ({waiver.owner}: {waiver.reason}) has expired on {waiver.expires}"
            drift.append(dataclasses.replace(finding, found=over))
        else:
            drift.append(finding)
    there = {(finding.topic, finding.name) for finding in found}
    looked = set(topics)
    gone = [entry for entry in accepted if entry[0] in looked and entry not in there]
    notices += [f"{topic}: {name} was accepted and is gone; take it out of the baseline" for topic, name in gone]
    idle = [waiver for waiver in waivers if waiver not in used and waiver.topic in looked]
    notices += [f"{waiver.topic}: the waiver '{waiver.name}' of {waiver.owner} matches nothing; remove it" for waiver in idle]
    return Verdict(tuple(_once(drift)), tuple(notices))


def _once(drift: Sequence[Finding]) -> list[Finding]:
    """Who can write a file is told by the topic of that file, and not again by the walk over all files.

    What was accepted or waived tells nothing: behind it somebody may have changed the rights since.
    """
    told = {f"{finding.name}: {rights}" for finding in drift if finding.topic != EVERYWHERE for rights in RIGHTS}
    return [finding for finding in drift if finding.topic != EVERYWHERE or finding.name not in told]
