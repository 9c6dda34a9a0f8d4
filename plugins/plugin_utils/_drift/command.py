# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command research-server-drift: run drift.yml, read its report, end with its exit code. Private."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import baseline, history, history_command, history_store, notify_command, one_run, page_command, programs, repair
from .parser import COULD_NOT_RUN, Parser

PLAYBOOK = "openlab.research_server.drift"
CALLBACK = "openlab.research_server.drift"
# A host may be slow: this is for one whose Python, or whose disk, does not answer any more.
HOST_TIMEOUT = 300
# What site.yml allows the tasks that reach a host.
REACH_TIMEOUT = 60
# An ordinary run of a lab has ended by then. A timer's run that comes second is not lost, and a person is told at once.
WAIT = 1800
DESCRIPTION = """\
Ask what site.yml would change on the servers, without changing anything. Writes a JSON report and prints a summary.
Options that are not listed here go to ansible-playbook, for example --forks 20 or --vault-password-file FILE.

'research-server-drift repair --help': repair what the last run found, and compare again.
'research-server-drift accept --help': accept what was found and nobody declared.
'research-server-drift history --help': what is there since when, and what has been repaired.
'research-server-drift report --help': show the last report as a page, without asking the servers.
'research-server-drift notify --help': tell people what is new, by mail or to a webhook."""
EPILOG = """\
exit codes, the most severe that applies (3 before 4 before 2):
  0  clean        every host is as the inventory says
  2  drift        at least one host differs
  3  failed       a task failed, the run ended early, or no host was met: part of the answer is missing
  4  unreachable  at least one host could not be reached
  1               the command line or the inventory is wrong, ansible-playbook could not run, another run writes the same
                  report, or a repair was declined; the last report is left as it was"""


# Each gets what follows its name, and where drift runs leave their report.
COMMANDS = {
    "accept": baseline.main,
    "history": history_command.main,
    "notify": notify_command.main,
    "report": page_command.main,
}


class CommandError(Exception):
    """Why there is no report."""


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="research-server-drift",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("-i", "--inventory", action="append", metavar="PATH", help="inventory; default: that of ansible.cfg")
    made.add_argument("-l", "--limit", metavar="PATTERN", help="compare only these hosts")
    made.add_argument(
        "--report",
        type=Path,
        default=default_report(),
        metavar="FILE",
        help="JSON report, mode 0600; default: %(default)s",
    )
    made.add_argument(
        "--host-timeout",
        type=int,
        default=HOST_TIMEOUT,
        metavar="SECONDS",
        help="how long one task may wait for a host; it has failed then. To reach it: at most 60. Default: %(default)s",
    )
    made.add_argument(
        "--wait",
        type=seconds,
        default=WAIT,
        metavar="SECONDS",
        help="how long to wait for another run that writes the same report; default: %(default)s",
    )
    made.add_argument(
        "--keep",
        type=history_command.positive,
        default=history.KEEP_DAYS,
        metavar="DAYS",
        help="how long the history, beside the report in FILE with the suffix .db, remembers runs; default: %(default)s",
    )
    made.add_argument("--html", type=Path, metavar="FILE", help="also write the report as a page, mode 0600")
    made.add_argument(
        "--markdown", type=Path, metavar="FILE", help="also write a summary for a mail or a merge request, mode 0600"
    )
    page_command.add_language(made)
    made.add_argument("-q", "--quiet", action="store_true", help="print nothing when every host is clean and there is no notice")
    made.add_argument("-v", "--verbose", action="count", default=0, help="show Ansible's own output too; -vvv for more")
    return made


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["repair"]:
        return guarded(lambda: repair.main(given[1:], default_report(), parser(), run))
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]](given[1:], default_report())
    options, extra = parser().parse_known_args(given)
    return guarded(lambda: run(options, extra))


def guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except CommandError as error:
        say(error)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return COULD_NOT_RUN


def run(options: argparse.Namespace, extra: Sequence[str], first: Callable[[], None] = lambda: None) -> int:
    """:param first: what to do before, while no other run can write the report."""
    report = options.report.absolute()
    with contextlib.ExitStack() as held:
        try:
            report.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            held.enter_context(one_run.alone(report, options.wait, say))
        except OSError as error:
            raise CommandError(f"cannot write the report: {error}") from error
        except one_run.AnotherRunError as error:
            raise CommandError(str(error)) from error
        first()
        try:
            # A name of this run's own: a report that is found there was written by this run.
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=report.parent, prefix=f".{report.name}.")))
        except OSError as error:
            raise CommandError(f"cannot write the report: {error}") from error
        return compare(options, extra, report, folder)


def compare(options: argparse.Namespace, extra: Sequence[str], report: Path, folder: Path) -> int:
    """``folder`` is this run's own, and beside the report."""
    fresh, left_out = folder / report.name, folder / "left-out"
    added = ansible_environment(os.environ, fresh=fresh, left_out=left_out, previous=report, options=options)
    arguments = [find_ansible(), *ansible_arguments(options, extra)]
    status = subprocess.run(arguments, env={**os.environ, **added}, check=False).returncode
    try:
        told = json.loads(fresh.read_text(encoding="utf-8"))
        exit_code = int(told["exit_code"])
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"ansible-playbook ended with {status} and left no report; see its message above") from error
    # The report first: nothing that is wrong with the history is a reason to lose it.
    fresh.replace(report)
    # Both tell of the same run. A failure that only Ansible knows of must not end as `clean`.
    unknown = bool(status and exit_code in (0, 2))
    remember(
        history_store.beside(report),
        told,
        exit_code=3 if unknown else exit_code,
        left_out=f"ansible-playbook ended with {status} for a reason that it did not tell" if unknown else read(left_out),
        keep_days=options.keep,
    )
    write_pages(report, options)
    return 3 if unknown else exit_code


def read(left_out: Path) -> str:
    try:
        return left_out.read_text(encoding="utf-8")
    except OSError:
        return "the run did not tell what it left out"


def remember(path: Path, told: Mapping[str, t.Any], *, exit_code: int, left_out: str, keep_days: int) -> None:
    try:
        history.record(path, told, exit_code=exit_code, left_out=left_out, keep_days=keep_days)
    except history_store.HistoryError as error:
        say(f"this run is not in the history: {error}")
    except Exception as error:
        # Whatever it is, the run has its report and its exit code.
        say(f"this run is not in the history: {path}: found a report that is not understood ({type(error).__name__}: {error})")


def say(message: object) -> None:
    print(f"research-server-drift: {message}", file=sys.stderr, flush=True)


def write_pages(report: Path, options: argparse.Namespace) -> None:
    """What a run has found does not depend on whether there is a page of it."""
    if options.html or options.markdown:
        try:
            page_command.write(report, html=options.html, markdown=options.markdown, options=options)
        except page_command.PageError as error:
            say(f"warning: no page: {error}")


def ansible_arguments(options: argparse.Namespace, extra: Sequence[str]) -> list[str]:
    # A role that cannot be compared hides none of the others.
    told = {"__site_compare_all": True, "__site_reach_timeout": min(REACH_TIMEOUT, options.host_timeout)}
    arguments = [PLAYBOOK, "--check", "--diff", "--extra-vars", json.dumps(told)]
    for inventory in options.inventory or []:
        arguments += ["--inventory", inventory]
    if options.limit:
        arguments += ["--limit", options.limit]
    if options.verbose:
        arguments.append("-" + "v" * options.verbose)
    return arguments + list(extra)


def ansible_environment(
    environment: Mapping[str, str], *, fresh: Path, left_out: Path, previous: Path, options: argparse.Namespace
) -> dict[str, str]:
    """What to add to the environment of ansible-playbook."""
    added = {
        "RESEARCH_SERVER_DRIFT_REPORT": str(fresh),
        "RESEARCH_SERVER_DRIFT_PREVIOUS": str(previous),
        "RESEARCH_SERVER_DRIFT_LEFT_OUT": str(left_out),
        "RESEARCH_SERVER_DRIFT_SUMMARY": "drift" if options.quiet else "always",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_TASK_TIMEOUT": str(options.host_timeout),
        # An inventory file that nobody could read is no reason to call the rest clean.
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    }
    if options.verbose:
        enabled = [name for name in environment.get("ANSIBLE_CALLBACKS_ENABLED", "").split(",") if name]
        added["ANSIBLE_CALLBACKS_ENABLED"] = ",".join([*enabled, CALLBACK])
    else:
        added["ANSIBLE_STDOUT_CALLBACK"] = CALLBACK
        added["RESEARCH_SERVER_DRIFT_PROGRESS"] = str(sys.stderr.isatty()).lower()
    return added


def find_ansible() -> str:
    try:
        return programs.find("ansible-playbook")
    except programs.ProgramError as error:
        raise CommandError(str(error)) from error


def default_report() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "research-server" / "drift.json"
