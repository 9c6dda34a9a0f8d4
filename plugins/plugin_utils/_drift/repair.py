# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command research-server-drift repair: show what site.yml would do, ask, do it, and compare again. Private.

It decides by the last report. Hosts and roles reach Ansible as arguments, whatever that calls them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import signal
import subprocess
import sys
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

from . import hosts, programs, remedy, report_file
from .history_command import printable
from .parser import COULD_NOT_RUN, Parser
from .repair_plan import Plan, Run, arguments
from .summary import count

DESCRIPTION = """\
Repair what the last drift run found: show what site.yml would change, ask, run it for these hosts and roles, compare them again.
What nobody declared is not repaired by site.yml; it is shown with its way out.
Options of a drift run, such as --html FILE, are for the comparison. What it does not know either goes to ansible-playbook.
That asks for passwords itself, once for each of its runs."""
EPILOG = """\
exit codes: those of research-server-drift, for the hosts that were compared again; with nothing to repair, those of the report.
1 also stands for: not asked for, or interrupted."""
FAILED = 3
# How a lab's own command was called, which finds this one.
CALLED = "RESEARCH_SERVER_DRIFT_CALLED"
# They would leave out what was shown, or what is compared.
_PARTS = ("--tags", "--skip-tags", "--start-at-task")
# `first` is done while no other run can write the report.
Compare = Callable[[argparse.Namespace, Sequence[str], Callable[[], None]], int]


class RepairError(Exception):
    """Why nothing was repaired, or not all of it."""


def parser(report: Path) -> Parser:
    made = Parser(
        prog="research-server-drift repair",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "-i", "--inventory", action="append", default=[], metavar="PATH", help="inventory; default: that of ansible.cfg"
    )
    made.add_argument("-l", "--limit", metavar="PATTERN", help="repair only these hosts")
    made.add_argument(
        "--role",
        action="append",
        default=[],
        choices=remedy.ROLES,
        metavar="ROLE",
        help="repair only what this role owns; can be repeated",
    )
    made.add_argument(
        "--report", type=Path, default=report, metavar="FILE", help="JSON report of the drift run; default: %(default)s"
    )
    made.add_argument("-y", "--yes", action="store_true", help="do not ask")
    for option in _PARTS:
        made.add_argument(*(["-t"] if option == "--tags" else []), option, help=argparse.SUPPRESS)
    return made


def main(given: Sequence[str], report: Path, comparison: argparse.ArgumentParser, compare: Compare) -> int:
    """``report`` is where drift runs leave theirs; ``comparison`` reads the options of one, and ``compare`` runs it."""
    made = parser(report)
    options, rest = made.parse_known_args(given)
    for option in _PARTS:
        if getattr(options, option.strip("-").replace("-", "_")) is not None:
            made.error(f"found {option}; expected hosts and roles: name them with --limit PATTERN and --role ROLE")
    again, extra = comparison.parse_known_args(rest)
    again.inventory, again.report = options.inventory, options.report
    try:
        return repair(options, again, extra, compare)
    except (RepairError, hosts.HostsError, programs.ProgramError, report_file.ReportError) as error:
        print(printable(f"research-server-drift repair: {error}"), file=sys.stderr)
        return COULD_NOT_RUN


def repair(options: argparse.Namespace, again: argparse.Namespace, extra: Sequence[str], compare: Compare) -> int:
    report = report_file.read(options.report)
    try:
        plan = Plan(report, _chosen(report, options, extra), options.role)
        commands_to_type = remedy.Commands(options.inventory, os.environ.get(CALLED, "") or "research-server-drift")
        shown = list(plan.lines(datetime.datetime.now(datetime.timezone.utc), commands_to_type))
        runs = [(run, hosts.limit_to(run.hosts)) for run in plan.runs()]
    except report_file.ODD as error:
        raise report_file.not_understood(options.report, error) from error
    print("\n".join(map(printable, shown)))
    if not runs:
        print("\nnothing that site.yml could repair")
        return plan.exit_code
    playbook = programs.find("ansible-playbook")
    commands = [[playbook, *arguments(run, limit, options.inventory, extra)] for run, limit in runs]
    _ask(plan, commands, options)
    failed: list[int] = []

    def first() -> None:
        if report_file.read(options.report) != report:
            raise RepairError(
                f"{options.report}: found another report than the one that was shown; nothing was changed; look at it again"
            )
        for (run, _limit), command in zip(runs, commands):
            failed.extend(_apply(run, command))

    again.limit = hosts.limit_to(plan.repaired)
    code = compare(again, extra, first)
    left = [name for name, host in report["hosts"].items() if name not in plan.repaired and host["verdict"] != "clean"]
    if left:
        others = count(len(left), "other host")
        _say(f"{options.report} now has the hosts that were repaired alone; for {others}: run research-server-drift")
    # What only the first run knows of must not end as `clean`.
    return FAILED if failed and not code else code


def _chosen(report: t.Mapping[str, t.Any], options: argparse.Namespace, extra: Sequence[str]) -> list[str]:
    """Hosts of the report that are hosts of the inventory: not groups of it, nor anybody else's."""
    known = hosts.listed(options.inventory, options.limit, extra)
    chosen = [name for name in report["hosts"] if name in known]
    if not chosen:
        limited = f"--limit {options.limit}" if options.limit else "this inventory"
        raise RepairError(
            f"{options.report}: found the hosts {', '.join(report['hosts']) or 'none'}; expected some of {limited}: "
            f"{', '.join(sorted(known)) or 'none'}; run research-server-drift for them, or name another report or inventory"
        )
    others = [name for name in report["hosts"] if name not in known]
    if others and not options.limit:
        _say(f"left out, because they are in the report and not in this inventory: {', '.join(others)}")
    missing = sorted(known.difference(report["hosts"])) if options.limit else []
    if missing:
        _say(f"left out, because the last run did not compare them: {', '.join(missing)}")
    return chosen


def _ask(plan: Plan, commands: Sequence[Sequence[str]], options: argparse.Namespace) -> None:
    """Returns if it shall be done."""
    print("\nFor each of these hosts:")
    for command in commands:
        print(printable(f"  ansible-playbook {shlex.join(command[1:])}"))
    print(flush=True)
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise RepairError("found no terminal to ask on; nothing was changed; look at the list above, and add --yes")
    try:
        answer = input(plan.question())
    except (EOFError, KeyboardInterrupt):
        answer = ""
        print()
    if answer.strip().lower() not in ("y", "yes"):
        raise RepairError("nothing was changed")


def _apply(run: Run, command: Sequence[str]) -> list[int]:
    """Its exit code, if it is not 0. Ansible has the terminal: its questions, and its answer to Ctrl-C, are its own."""
    sys.stdout.flush()
    interrupted: list[int] = []
    # Ansible gets the signal as well. Killed by an impatient parent it would leave a host in the middle of a task.
    before = signal.signal(signal.SIGINT, lambda number, _frame: interrupted.append(number))
    try:
        status = subprocess.run(command, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise RepairError(
            f"interrupted on {', '.join(run.hosts)}; what site.yml had begun may be half done, and the report is as it was; "
            "run research-server-drift to see what is left"
        )
    if status:
        _say(f"site.yml ended with {status}; see its message above; what it left is compared now")
    return [status] if status else []


def _say(message: str) -> None:
    print(printable(f"research-server-drift repair: {message}"), file=sys.stderr, flush=True)
