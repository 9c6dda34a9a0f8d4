# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command research-server-drift accept: what a lab accepts on a host, in a file to be reviewed and committed. Private.

It has the standard library only, and Ansible reads what it writes: strings of JSON are YAML.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...module_utils._audit.finding import is_named
from . import hosts, programs, report_file
from .history_command import printable
from .parser import Parser

ROLE = "audit"
DESCRIPTION = """\
Accept what the last drift run found and nobody declared: write it to audit/HOST.yml beside the inventory. Review and commit it.
What is not in it is drift; what is in it and gone is a notice."""
HEADER = """\
---
# What was found on {host}, declared nowhere, and accepted. 'research-server-drift accept' adds to it; take out what is gone.
accepted:
"""
# An entry as this module writes it.
_ENTRY = re.compile(r'^  - topic: (?P<topic>".*")\n    name: (?P<name>".*")\n(?P<rest>(?:    \S.*\n)*)', re.MULTILINE)


class Entry(t.NamedTuple):
    """A finding, and further lines of its entry, such as its reason."""

    topic: str
    name: str
    rest: str = ""


def findings(report: Mapping[str, t.Any], host: str, topics: Iterable[str] = ()) -> list[Entry]:
    """What an audit found on a host, by the report of a drift run."""
    wanted = set(topics)
    drift = report["hosts"][host]["drift"]
    ours = [item for item in drift if item["role"] == ROLE and item["items"]]
    return [Entry(item["task"], item["items"][0]) for item in ours if not wanted or item["task"] in wanted]


def read(text: str) -> list[Entry]:
    """The entries of a file as `write` makes it; people may add lines to an entry, such as its reason.

    Raises ValueError where there is something else: it would be lost.
    """
    found = [Entry(json.loads(item["topic"]), json.loads(item["name"]), item["rest"]) for item in _ENTRY.finditer(text)]
    left = _ENTRY.sub("", "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))).split()
    if left[left[:1] == ["---"] :] not in ([], ["accepted:"], ["accepted:", "[]"]):
        raise ValueError(
            f"found '{left[-1]}'; expected entries with 'topic' and 'name' in double quotes, as this command writes them"
        )
    return found


def write(host: str, entries: Iterable[Entry]) -> str:
    """The file: sorted, so that a difference in its history is what has changed."""
    known = {(entry.topic, entry.name): entry for entry in sorted(entries)}
    lines = [
        f"  - topic: {json.dumps(entry.topic)}\n    name: {json.dumps(entry.name, ensure_ascii=False)}\n{entry.rest}"
        for _key, entry in sorted(known.items())
    ]
    return HEADER.format(host=host) + ("".join(lines) or "  []\n")


def parser(report: Path) -> Parser:
    made = Parser(prog="research-server-drift accept", description=DESCRIPTION, allow_abbrev=False)
    made.add_argument("-i", "--inventory", action="append", metavar="PATH", help="inventory; default: that of ansible.cfg")
    made.add_argument("-l", "--limit", default="*", metavar="PATTERN", help="accept what was found on these hosts only")
    made.add_argument("--topic", action="append", default=[], metavar="TOPIC", help="accept this topic only; can be repeated")
    made.add_argument(
        "--report", type=Path, default=report, metavar="FILE", help="JSON report of the drift run; default: %(default)s"
    )
    return made


def main(arguments: Sequence[str], report: Path) -> int:
    """`report` is where drift runs leave theirs."""
    options = parser(report).parse_args(arguments)
    try:
        accept(options)
    except (OSError, ValueError, hosts.HostsError, programs.ProgramError, report_file.ReportError) as error:
        print(f"research-server-drift accept: {error}", file=sys.stderr)
        return 1
    return 0


def accept(options: argparse.Namespace) -> None:
    """Write a file for each host on which something was found; say what came in. Raises ReportError, ValueError, OSError."""
    report = report_file.read(options.report)
    try:
        _accept(report, options)
    except (KeyError, TypeError, AttributeError) as error:
        raise report_file.not_understood(options.report, error) from error


def _beside(inventories: Sequence[str], host: str) -> Path:
    """The folder of the first inventory that has the host: the `inventory_dir` of the role audit."""
    several = len(inventories) > 1
    owner = next((path for path in inventories if not several or host in hosts.listed([path], None, ())), "")
    if not os.path.exists(owner):
        found = f"no {owner}" if owner else f"none of {', '.join(inventories)} with the host '{host}'"
        raise ValueError(f"inventory: found {found}; expected that of the drift run; name it with -i PATH, or in ansible.cfg")
    return Path(owner) if os.path.isdir(owner) else Path(owner).parent


def _accept(report: Mapping[str, t.Any], options: argparse.Namespace) -> None:
    inventories = options.inventory or hosts.configured()
    names = [host for host in report["hosts"] if any(is_named(host, part) for part in options.limit.split(","))]
    if not names:
        raise ValueError(f"the report has no host '{options.limit}'; it has {', '.join(report['hosts']) or 'none'}")
    found = {entry.topic for host in report["hosts"] for entry in findings(report, host)}
    if unknown := set(options.topic) - found:
        raise ValueError(f"the report has no finding of the topic '{min(unknown)}'; it has {', '.join(sorted(found)) or 'none'}")
    for host in names:
        if "/" in host:
            raise ValueError(f"found the host '{host}'; expected a name that a file can have")
        path = _beside(inventories, host) / "audit" / f"{host}.yml"
        new = findings(report, host, options.topic)
        try:
            before = read(path.read_text(encoding="utf-8")) if path.exists() else []
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        known = {(entry.topic, entry.name) for entry in before}
        added = [entry for entry in new if (entry.topic, entry.name) not in known]
        if added:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(host, [*before, *added]), encoding="utf-8")
        print(printable(f"{host}: {len(added)} accepted" + (f", in {path}" if added else "")))
        verdict = report["hosts"][host]["verdict"]
        if verdict in ("failed", "unreachable"):
            print(f"  the last run could not compare it to the end ({printable(verdict)}): run research-server-drift again")
        for entry in added:
            print(printable(f"  {entry.topic}: {entry.name}"))
