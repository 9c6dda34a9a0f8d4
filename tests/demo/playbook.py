# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook, show its plays as they come, and return what it did, what it cost, and where the log is."""

from __future__ import annotations

import re
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECAP = re.compile(
    r"^(?P<host>\S+)\s+: ok=(?P<ok>\d+)\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)\s+skipped=(?P<skipped>\d+)"
)
PLAY = re.compile(r"^PLAY \[(.+)\]")
LIMIT_SECONDS = 1800


@dataclass(frozen=True)
class Result:
    code: int
    seconds: float
    cpu_seconds: float
    changed: dict[str, int]
    tasks: dict[str, int]
    log: Path

    def cost(self) -> str:
        hosts = max(len(self.tasks), 1)
        tasks = max(self.tasks.values(), default=0)
        return f"{tasks} tasks per host, {self.seconds:.1f} s, {self.cpu_seconds / hosts:.1f} s of controller CPU per host"


def play(command: Sequence[str], *, cwd: Path, log: Path) -> Result:
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    changed: dict[str, int] = {}
    tasks: dict[str, int] = {}
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            if title := PLAY.match(line):
                print(f"    {time.monotonic() - started:6.1f} s  {title[1]}", flush=True)
            if recap := RECAP.match(line):
                changed[recap["host"]] = int(recap["changed"])
                tasks[recap["host"]] = int(recap["ok"]) + int(recap["skipped"])
        code = process.wait(timeout=LIMIT_SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(code, time.monotonic() - started, cpu, changed, tasks, log)
