# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of conda_env that finds nothing to do, side by side with conda's own commands on the same environment.

    python bench/conda_env_noop.py [--rounds 7]

The environment has 400 conda records and 150 pip distributions. Peers: `conda env update` with the file it was made from, which
finds nothing to do either, and `conda list --json`. Ours is what Ansible brings to the host, as the action plugin made it:

    module body     from the moment Ansible has started the module until it exits, compilation of what it imports included
    module process  the whole process: interpreter, unpacking, Ansible's own part, module body

Ends with `noop_vs_env_update=<ratio> noop_vs_list=<ratio>` of a round, the median, for the module body.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import conda_sample
from conda_sample import Sample
from one_play import PYTHON, play
from side_by_side import Times, in_turns, machine, process, ratio, table

OURS, WHOLE, PING, UPDATE, LIST = "module body", "module process", "ansible.builtin.ping", "conda env update", "conda list --json"
# What Ansible's wrapper does after it has started, with a clock. Byte code is not written: a host never has any.
BODY = """
import runpy, sys, time
sys.path.insert(0, sys.argv[1])
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = open(sys.argv[1] + "/args", "rb").read()
basic._ANSIBLE_PROFILE = "legacy"
start = time.perf_counter()
try:
    runpy.run_module("ansible_collections.openlab.research_server.plugins.modules.conda_env", run_name="__main__", alter_sys=True)
finally:
    sys.stderr.write(str(time.perf_counter() - start))
"""


def payloads(sample: Sample, folder: Path) -> dict[str, Path]:
    """The programs that Ansible starts on a host, by module."""
    task = sample.conda.arguments(name=conda_sample.NAME, src=str(sample.file))
    kept = {"ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_PIPELINING": "0", "ANSIBLE_REMOTE_TMP": str(folder)}
    play([{"openlab.research_server.conda_env": task}, {"ansible.builtin.ping": {}}], **kept)
    return {path.stem.removeprefix("AnsiballZ_"): path for path in folder.glob("*/AnsiballZ_*.py")}


def body(program: Path) -> Callable[[], float]:
    """A side: what the module takes after Ansible has started it."""
    subprocess.run([PYTHON, program, "explode"], capture_output=True, check=True)
    command = [PYTHON, "-B", "-c", BODY, str(program.parent / "debug_dir")]

    def run() -> float:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        if json.loads(done.stdout)["changed"]:
            raise SystemExit(f"changed: {done.stdout[:1000]}")
        return float(done.stderr)

    return run


def measure(sample: Sample, rounds: int) -> dict[str, Times]:
    """Times of the module and of its peers."""
    conda, home = str(sample.conda.root / "bin" / "conda"), {"HOME": str(sample.conda.home), "PATH": os.environ["PATH"]}
    with tempfile.TemporaryDirectory() as folder:
        programs = payloads(sample, Path(folder))
        update = [conda, "env", "update", "--name", conda_sample.NAME, "--file", str(sample.file)]
        sides = {
            OURS: body(programs["conda_env"]),
            WHOLE: process([PYTHON, str(programs["conda_env"])]),
            PING: process([PYTHON, str(programs["ping"])]),
            UPDATE: process(update, environment=home),
            LIST: process([conda, "list", "--name", conda_sample.NAME, "--json"], environment=home),
        }
        return in_turns(sides, rounds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    sample = conda_sample.sample()
    print(f"{sample}, {machine()}")
    times = measure(sample, chosen.rounds)
    print(table(times))
    print(f"whole process: {ratio(times, WHOLE, UPDATE)} of {UPDATE}, {ratio(times, WHOLE, LIST)} of {LIST}")
    print(f"noop_vs_env_update={ratio(times, OURS, UPDATE)} noop_vs_list={ratio(times, OURS, LIST)}")


if __name__ == "__main__":
    main()
