# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work a CPU second is, meanwhile: the same small piece is done again and again, and what it costs is told.

Where a core shares what it is made of with a busy neighbour (hyper-threading, other guests of a hypervisor), a CPU second is half
as much work as on a quiet one. Who measures CPU seconds divides them by how much longer the piece has taken than alone.
"""

from __future__ import annotations

import copy
import json
import select
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

# As a controller's work is: Python's objects, made, copied and written, more of them than the innermost caches hold.
PIECE = {f"host{number}": {"name": "x" * 40, "values": list(range(20)), "nested": {"a": 1.5, "b": None}} for number in range(250)}
# A piece takes some milliseconds, and is done twice: three in a hundred of a core.
REST_SECONDS = 0.3


@dataclass(frozen=True)
class Told:
    """CPU seconds: of a piece (the mean of all), and of everything that was used to know it."""

    piece: float
    used: float


class Pace:
    """A process that does its pieces from now until it is asked, with a rest after each."""

    def __init__(self, rest: float = REST_SECONDS) -> None:
        command = [sys.executable, __file__, str(rest)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(self) -> Told:
        """End it."""
        said, _errors = self._process.communicate(timeout=60)
        return Told(**json.loads(said))


def alone(seconds: float = 10) -> Told:
    """While nothing else is measured. Without a rest: a core that has had nothing to do is slow at first."""
    pace = Pace(0)
    time.sleep(seconds)
    return pace.told()


def _do_pieces(rest: float) -> None:
    took: list[float] = []
    while not took or not select.select([sys.stdin], [], [], rest)[0]:
        # The first one brings into the caches what others have put out of them.
        for _warm in range(2):
            before = time.process_time()
            json.loads(json.dumps(copy.deepcopy(PIECE)))
        took.append(time.process_time() - before)
    print(json.dumps({"piece": statistics.fmean(took), "used": time.process_time()}))


if __name__ == "__main__":
    _do_pieces(float(sys.argv[1]))
