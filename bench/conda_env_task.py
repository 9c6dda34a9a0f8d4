# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole task with conda_env that finds nothing to do, side by side with ansible.builtin.stat.

    python bench/conda_env_task.py [--rounds 20]

One run of ansible-playbook has both tasks in turns, over the local connection with pipelining: a network would cost both the same
and hide the difference. A task lasts from its start to the start of the next one; so templates, action plugin, transport, module
and result count. The environment has 400 conda records and 150 pip distributions, and is given as a file and as data; and ten
times in one task, where a loop would take ten times as long as one.

Ends with `task_vs_stat=<ratio>` of a round, the median, for the file.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import conda_sample
import yaml
from conda_sample import Sample
from one_play import play
from side_by_side import Times, machine, ratio, table

OURS, DATA, STAT = "conda_env with src", "conda_env with definition", "ansible.builtin.stat"
TEN = "conda_env with ten environments"


def task(sample: Sample, **specification: Any) -> dict[str, Any]:
    """A task with conda_env."""
    return {"openlab.research_server.conda_env": sample.conda.arguments(**specification)}


def measure(sample: Sample, rounds: int) -> dict[str, Times]:
    """Times of the tasks, in turns; the first round warms the caches."""
    file = {"name": conda_sample.NAME, "src": str(sample.file)}
    tasks = {
        OURS: task(sample, **file),
        STAT: {"ansible.builtin.stat": {"path": str(sample.prefix)}},
        DATA: task(sample, name=conda_sample.NAME, definition=yaml.safe_load(sample.file.read_text())),
        TEN: task(sample, environments=[file] * 10),
    }
    last = tasks[STAT]
    starts = [done.start for done in play([*list(tasks.values()) * (rounds + 1), last])]
    lasted = [after - before for before, after in itertools.pairwise(starts)]
    return {name: Times(tuple(lasted[number :: len(tasks)][1:])) for number, name in enumerate(tasks)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    chosen = options.parse_args()
    sample = conda_sample.sample()
    print(f"{sample}, {machine()}")
    times = measure(sample, chosen.rounds)
    print(table(times))
    print(f"with data: {ratio(times, DATA, STAT)}; ten in one task: {ratio(times, TEN, OURS)} of one alone")
    print(f"task_vs_stat={ratio(times, OURS, STAT)}")


if __name__ == "__main__":
    main()
