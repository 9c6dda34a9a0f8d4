# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command research-server-drift notify: tell people what is new, without waiting for those who are told. Private.

`queue` decides and puts messages into a folder, `deliver` empties it: a receiver that is down delays no run, and loses nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import sys
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .._files import read_report, write_private
from . import history, one_run, page_command
from ._notify import mail, metrics, spool, webhook
from ._notify.decision import SCHEMA, WEEKDAYS, Event, Unit, Wishes, decide, fresh
from ._notify.errors import RejectedError, UnavailableError
from ._notify.message import message
from ._page.words import LANGUAGES
from .history_store import HistoryError, beside
from .page import view
from .parser import COULD_NOT_RUN, Parser
from .report import SCHEMA as REPORT_SCHEMA
from .summary import render

CHANNELS = ("mail", "webhook")
LAB = "Research servers"
# The other one only writes files.
WAIT = 60
# sysexits.h: the receiver does not answer now, try again later.
TEMPFAIL = 75
DESCRIPTION = """\
Tell people what is new since they were last told, by mail or to a webhook. 'queue' asks what there is to tell, and puts it into
a folder; 'deliver' hands on what is there, the oldest first; 'test' puts in a message that shows that messages come through."""
EPILOG = """\
exit codes:
  0   told, or nothing to tell
  1   the command line or a file is wrong, or the receiver has refused a message; it stays in the folder
  75  the receiver does not take anything now: try again later; nothing is lost"""


class NotifyError(Exception):
    """What keeps people from being told."""


def parser(report: Path) -> argparse.ArgumentParser:
    made = Parser(
        prog="research-server-drift notify",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    shared = Parser(add_help=False, allow_abbrev=False)
    shared.add_argument(
        "--report", type=Path, default=report, metavar="FILE", help="JSON report of the drift runs; default: %(default)s"
    )
    shared.add_argument(
        "--spool",
        type=Path,
        metavar="FOLDER",
        help="where messages wait, and what people know is remembered; default: 'notify' beside the report",
    )
    shared.add_argument(
        "--channel", action="append", choices=CHANNELS, default=[], help="who is told; can be repeated, for 'deliver' one alone"
    )
    shared.add_argument("--textfile", type=Path, metavar="FILE", help="also write metrics for Prometheus to this file, mode 0644")
    shared.add_argument("--lab", default=LAB, metavar="NAME", help="whose servers they are; default: %(default)s")
    actions = made.add_subparsers(dest="action", required=True, parser_class=Parser)
    queue = actions.add_parser("queue", parents=[shared], allow_abbrev=False, help="put into the folder what is new")
    queue.add_argument("--digest", choices=WEEKDAYS, default="", metavar="WEEKDAY", help="also tell on this day what there is")
    queue.add_argument(
        "--alarm-after",
        type=hours,
        default=Wishes().alarm_after,
        metavar="HOURS",
        help="how old the last report may be before that is told; default: 49",
    )
    queue.add_argument(
        "--language", choices=LANGUAGES, default=LANGUAGES[0], help="language of the summary; default: %(default)s"
    )
    deliver = actions.add_parser("deliver", parents=[shared], allow_abbrev=False, help="hand on what waits for one channel")
    deliver.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="of the channel mail; can be repeated")
    deliver.add_argument("--from", dest="sender", metavar="ADDRESS", help="of the channel mail")
    deliver.add_argument(
        "--webhook", type=Path, metavar="FILE", help='JSON with "url", "headers" and "allow_http", for the channel webhook'
    )
    actions.add_parser(
        "test", parents=[shared], allow_abbrev=False, help="put in a message that shows that messages come through"
    )
    return made


def hours(text: str) -> datetime.timedelta:
    value = float(text)
    if not 0 < value <= 10_000:
        raise ValueError(text)
    return datetime.timedelta(hours=value)


def main(arguments: Sequence[str], report: Path) -> int:
    """`report` is where drift runs leave theirs."""
    made = parser(report)
    options = made.parse_args(arguments)
    if options.action == "deliver" and len(options.channel) != 1:
        made.error("deliver: expected one --channel")
    options.report = options.report.absolute()
    options.spool = (options.spool or options.report.parent / "notify").absolute()
    try:
        return {"queue": queue, "deliver": deliver, "test": test}[options.action](options)
    except NotifyError as error:
        say(error)
    except (OSError, one_run.AnotherRunError) as error:
        say(f"{options.spool}: {error}")
    return COULD_NOT_RUN


def say(what: object) -> None:
    print(f"research-server-drift notify: {what}", file=sys.stderr, flush=True)


def queue(options: argparse.Namespace) -> int:
    now = datetime.datetime.now().astimezone()
    with alone(options.spool / "told.json", WAIT):
        state = remembered(options.spool / "told.json", now)
        report = readable(options.report)
        unit = ended_unit(os.environ)
        events, state = decide(
            state,
            now=now,
            report=report,
            history=known_of(options.report, report) if report else None,
            unit=unit,
            wishes=Wishes(options.digest, options.alarm_after),
        )
        if unit and unit.name.removesuffix(".service") == "research-server-drift":
            state["last_run"] = now.isoformat(timespec="seconds")
        summary = summary_of(options.report, report, options.language) if report and events else ""
        for event in events:
            put(options, event, now, report=report, summary=summary)
        for channel in options.channel:
            (options.spool / channel).mkdir(mode=0o700, exist_ok=True)
        # Last: whoever is told twice has lost nothing.
        write_private(options.spool / "told.json", json.dumps(state, indent=1) + "\n")
        measure(options, state, report)
    return 0


def test(options: argparse.Namespace) -> int:
    if not options.channel:
        raise NotifyError("test: found no --channel; expected who is to be told")
    now = datetime.datetime.now().astimezone()
    put(options, Event("test", f"a test of {now.isoformat(timespec='seconds')}"), now)
    return 0


def deliver(options: argparse.Namespace) -> int:
    (channel,) = options.channel
    folder = options.spool / channel
    send = sender(options)
    refused = 0
    try:
        with alone(folder, 0):
            for path in spool.waiting(folder):
                refused += not hand_on(path, send)
    except UnavailableError as error:
        say(f"{channel}: {error}; {len(spool.waiting(folder))} waiting")
        return TEMPFAIL
    finally:
        if options.textfile:
            measure(options, read_report(options.spool / "told.json") or {}, readable(options.report))
    return COULD_NOT_RUN if refused else 0


def sender(options: argparse.Namespace) -> Callable[[Mapping[str, t.Any]], None]:
    if options.channel == ["mail"]:
        if not options.to or not options.sender:
            raise NotifyError("deliver: found no --to or no --from; expected both for the channel mail")
        return lambda told: mail.send(told, to=options.to, sender=options.sender)
    if not options.webhook:
        raise NotifyError("deliver: found no --webhook FILE; expected it for the channel webhook")
    try:
        address = webhook.read(options.webhook)
    except ValueError as error:
        raise NotifyError(str(error)) from error
    return lambda told: webhook.send(told, address)


def hand_on(path: Path, send: Callable[[Mapping[str, t.Any]], None]) -> bool:
    """Whether it has gone. Raises UnavailableError."""
    try:
        told = spool.read(path)
    except ValueError as error:
        say(f"{path}: {error}; it is kept as {spool.put_aside(path).name}")
        return False
    try:
        send(told)
    except RejectedError as error:
        say(f"{path}: refused: {error}; it stays there")
        return False
    path.unlink()
    return True


def put(
    options: argparse.Namespace,
    event: Event,
    now: datetime.datetime,
    *,
    report: Mapping[str, t.Any] | None = None,
    summary: str = "",
) -> None:
    # The same when the same is told twice.
    told_of = [event.kind, event.headline, report["finished"] if report else "", options.lab]
    number = hashlib.sha256(json.dumps(told_of).encode()).hexdigest()[:32]
    told = message(event, lab=options.lab, now=now, number=number, report=report, summary=summary)
    print(told["subject"])
    for channel in dict.fromkeys(options.channel):
        if dropped := spool.add(options.spool / channel, told):
            say(f"{channel}: {dropped} older made room: the receiver has not taken them")


@contextlib.contextmanager
def alone(path: Path, wait: float) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with one_run.alone(path, wait, say):
        yield


def remembered(path: Path, now: datetime.datetime) -> dict[str, t.Any]:
    state = read_report(path)
    if state is None:
        if path.exists():
            say(f"{path}: found no JSON; what people know is forgotten, and is told again")
        return fresh(now)
    if state.get("schema") != SCHEMA:
        raise NotifyError(
            f"{path}: found schema {state.get('schema')}, expected {SCHEMA}; a newer version wrote it: install that one here, "
            "or move the file away: what is there is told again"
        )
    return {**fresh(now), **state}


def readable(path: Path) -> dict[str, t.Any] | None:
    report = read_report(path)
    if report is None or not isinstance(report.get("schema"), int) or report["schema"] > REPORT_SCHEMA:
        if path.exists():
            say(f"{path}: found no report that this version understands")
        return None
    return report


def known_of(path: Path, report: Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What the history says of the hosts, if that run is its last."""
    try:
        told = history.told(beside(path), 1)
    except HistoryError as error:
        say(f"no history: {error}")
        return None
    if not told["runs"] or told["runs"][-1]["finished"] != report["finished"]:
        say(f"no history of the run that ended at {report['finished']}: what its report says is told")
        return None
    return t.cast(dict[str, t.Any], told["hosts"])


def ended_unit(environment: Mapping[str, str]) -> Unit | None:
    """systemd tells a unit of OnSuccess= and OnFailure= why it was started (systemd.exec(5), from 251 on)."""
    name, result = environment.get("MONITOR_UNIT", ""), environment.get("MONITOR_SERVICE_RESULT", "")
    return Unit(name, result) if name and result else None


def summary_of(path: Path, report: Mapping[str, t.Any], language: str) -> str:
    """In Markdown, as of the page; without Jinja2 as on a terminal. Whatever is wrong with it, people are told."""
    try:
        from ._page.render import markdown  # noqa: PLC0415

        nights, since = page_command.remembered(path)
        return markdown(view(report, nights=nights, since=since, source=path.name), language)
    except ImportError:
        return render(report)


def measure(options: argparse.Namespace, state: Mapping[str, t.Any], report: Mapping[str, t.Any] | None) -> None:
    if options.textfile:
        pending = {
            channel: len(spool.waiting(options.spool / channel)) for channel in CHANNELS if (options.spool / channel).is_dir()
        }
        metrics.write(
            options.textfile.absolute(), metrics.render(report, last_run=str(state.get("last_run", "")), pending=pending)
        )
