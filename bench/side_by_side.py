# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure something and its peers in turns, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of one side, one for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def process(command: Sequence[str], *, text: bytes = b"", environment: Mapping[str, str] | None = None) -> Callable[[], float]:
    """A side: the wall time of a whole process, which must succeed."""

    def run() -> float:
        start = time.perf_counter()
        done = subprocess.run(command, input=text, capture_output=True, check=False, env=environment)
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{(done.stdout + done.stderr).decode()}")
        return seconds

    return run


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Times]:
    """Run all sides once to warm the caches, then in turns. A side runs and returns its own seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            took = side()
            if number:
                seconds[name].append(took)
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def table(times: Mapping[str, Times]) -> str:
    """Median and range of each side, in milliseconds."""
    width = max(map(len, times))
    lines = [f"{'milliseconds':{width}}  median     min     max   N"]
    for name, side in times.items():
        values = (side.median, min(side.seconds), max(side.seconds))
        lines.append(f"{name:{width}} {' '.join(f'{1000 * value:7.1f}' for value in values)} {len(side.seconds):3}")
    return "\n".join(lines)


def ratio(times: Mapping[str, Times], ours: str, peer: str) -> str:
    """Ours in units of the peer, the median of all rounds: 1 is as fast, less is faster.

    Round by round, as a processor that others use, too, is much slower in one minute than in the next.
    """
    rounds = zip(times[ours].seconds, times[peer].seconds, strict=True)
    return f"{statistics.median(mine / other for mine, other in rounds):.3g}"


def machine() -> str:
    """What the figures depend on."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{cores} cores, load {load:.1f} at the start, Python {platform.python_version()}, warm caches, peers in turns"
