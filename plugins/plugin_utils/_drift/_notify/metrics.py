# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drift run has found as metrics in Prometheus' text format, for the textfile collector of node_exporter. Private.

A metric that is not there is no 0: without a report nothing is told of hosts.
"""

from __future__ import annotations

import datetime
import typing as t
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..._files import replace
from ..report import EXIT_CODES

PREFIX = "research_server_drift"


def render(report: Mapping[str, t.Any] | None, *, last_run: str, pending: Mapping[str, int]) -> str:
    """:param last_run: when a run has last ended, whatever became of it (ISO 8601); empty if none has.
    :param pending: by channel, how many messages wait.
    """
    return "".join(f"{line}\n" for line in _lines(report, last_run, pending))


def _lines(report: Mapping[str, t.Any] | None, last_run: str, pending: Mapping[str, int]) -> Iterator[str]:
    if report:
        verdicts = Counter(host["verdict"] for host in report["hosts"].values())
        yield from _head("hosts", "Hosts by the verdict of the last drift run that told anything.")
        yield from (f'{PREFIX}_hosts{{verdict="{verdict}"}} {verdicts[verdict]}' for verdict in EXIT_CODES)
        yield from _head("findings", "Differences that it found.")
        yield f"{PREFIX}_findings {sum(len(host['drift']) for host in report['hosts'].values())}"
        yield from _head("duration_seconds", "How long it took.")
        yield f"{PREFIX}_duration_seconds {float(report['duration_s'])}"
        yield from _head("last_good_run_timestamp_seconds", "When it ended.")
        yield f"{PREFIX}_last_good_run_timestamp_seconds {_seconds(report['finished'])}"
    last_run = max([last_run, report["finished"] if report else ""], key=_seconds)
    if last_run:
        yield from _head("last_run_timestamp_seconds", "When a drift run last ended, whether or not it told anything.")
        yield f"{PREFIX}_last_run_timestamp_seconds {_seconds(last_run)}"
    if pending:
        yield from _head("notifications_pending", "Messages that wait for their receiver.")
        yield from (
            f'{PREFIX}_notifications_pending{{channel="{channel}"}} {count}' for channel, count in sorted(pending.items())
        )


def _head(name: str, words: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {words}"
    yield f"# TYPE {PREFIX}_{name} gauge"


def _seconds(moment: str) -> int:
    return int(datetime.datetime.fromisoformat(moment).timestamp()) if moment else 0


def write(path: Path, text: str) -> None:
    """Replace the file in one step: a collector never reads half of it. Its name has no suffix .prom before that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text, 0o644)
