# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair would do, by a report: for people, and for ansible-playbook. Pure. Private to this collection."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import remedy
from ._page.finding import difference
from .report import EXIT_CODES, most_severe
from .summary import changed_lines, count, title

Finding = Mapping[str, t.Any]


class Run(t.NamedTuple):
    """One run of the site: these hosts, these parts of it, and whether it reads all files."""

    hosts: tuple[str, ...]
    tags: tuple[str, ...]
    full: bool


@dataclass
class Host:
    """What a report says of one host, sorted by who repairs it."""

    site: list[Finding] = field(default_factory=list)
    audit: list[Finding] = field(default_factory=list)
    others: list[Finding] = field(default_factory=list)
    errors: list[Finding] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)


class Plan:
    """What is to be done on some hosts of a report.

    :param names: the hosts, all of which the report has.
    :param roles: repair what these roles own; empty for all roles.
    """

    def __init__(self, report: Mapping[str, t.Any], names: Iterable[str], roles: Collection[str] = ()) -> None:
        self.finished = str(report["finished"])
        told = {name: report["hosts"][name] for name in names}
        self.hosts = {name: _sorted(host, roles) for name, host in told.items()}
        self.exit_code = EXIT_CODES[most_severe(host["verdict"] for host in told.values())]

    @property
    def repaired(self) -> dict[str, list[Finding]]:
        return {name: host.site for name, host in self.hosts.items() if host.site}

    def runs(self) -> list[Run]:
        """One for all hosts of which the same parts are repaired: on none is done what was not shown of it.

        Reading all files also removes what somebody has put into conda itself: only where a difference asks for it.
        """
        made: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
        for name, found in self.repaired.items():
            tags = {remedy.tag(finding) for finding in found}
            # In the order of the site.
            parts = tuple(tag for tag in (remedy.ALWAYS, *remedy.ROLES) if tag in tags)
            made.setdefault((remedy.needs_full(found), parts), []).append(name)
        ordered = sorted(made.items(), key=lambda item: item[0][0])
        return [Run(tuple(names), parts, full) for (full, parts), names in ordered]

    def question(self) -> str:
        differences = sum(map(len, self.repaired.values()))
        return f"Repair {count(differences, 'difference')} on {count(len(self.repaired), 'host')}? [y/N] "

    def lines(self, now: datetime.datetime, commands: remedy.Commands) -> Iterator[str]:
        """What to show before it is asked for."""
        days = (now - datetime.datetime.fromisoformat(self.finished)).days
        old = (
            f", {count(days, 'day')} old: what has changed since is not in it; research-server-drift asks anew"
            if days > 0
            else ""
        )
        yield f"By the report of {self.finished}{old}"
        for name, host in self.hosts.items():
            told = list(_of(name, host, commands))
            yield from ["", name, *told] if told else []


def _sorted(host: Mapping[str, t.Any], roles: Collection[str]) -> Host:
    made = Host(errors=list(host["errors"]))
    for finding in host["drift"]:
        if remedy.of_audit(finding):
            # Of a role that was asked for, it is not.
            made.audit += [finding] if not roles else []
        elif not roles or finding["role"] in roles:
            (made.site if remedy.tag(finding) else made.others).append(finding)
    made.handlers = list(host["handlers"]) if made.site else []
    return made


def _of(name: str, host: Host, commands: remedy.Commands) -> Iterator[str]:
    for finding in host.site:
        yield from _difference(finding)
    if remedy.needs_full(host.site):
        yield f"  read and repaired with {remedy.FULL}: what somebody has installed by hand into conda itself is removed, too"
    if host.handlers:
        yield f"  it may also run: {', '.join(host.handlers)}"
    if host.audit:
        yield "  not repaired: nobody declared it, so no run decides whether it stays; what each says is its way out"
        for finding in host.audit:
            shown = difference(finding)
            yield f"    {finding['task']}: {', '.join(shown['things'])}"
            yield from [f"        {shown['way_out']}"] if shown["way_out"] else []
        topics = dict.fromkeys(str(finding["task"]) for finding in host.audit)
        yield from (f"    or, if it is right: {commands.accept(name, topic)}" for topic in topics)
    for finding in host.others:
        yield f"  not repaired: {title(finding)}: no role of this collection; ansible-playbook site.yml, if yours has it"
    for error in host.errors:
        message = (str(error["message"]).splitlines() or [""])[0]
        yield f"  {error['kind']}, so not all of it was compared: {title(error)}: {message}"
    if host.errors:
        yield f"    when that is mended: {commands.again(name)}"


def _difference(finding: Finding) -> Iterator[str]:
    yield f"  {title(finding)}"
    if finding["items"]:
        yield f"      {', '.join(finding['items'])}"
    if finding["hidden"]:
        yield "      (hidden: the task says no_log)"
    yield from (line for line, _kind in changed_lines(finding["diff"] or "", "the report"))


def arguments(run: Run, limit: str, inventories: Sequence[str], extra: Sequence[str]) -> list[str]:
    """Of ansible-playbook. What people add comes last, and wins."""
    return [
        remedy.SITE,
        *(f"--inventory={path}" for path in inventories),
        f"--limit={limit}",
        f"--tags={','.join(run.tags)}",
        *([f"--extra-vars={remedy.FULL}"] if run.full else []),
        *extra,
    ]
