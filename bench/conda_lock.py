# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating an environment from a lock, side by side with `conda env create` from the same file and channel.

    python bench/conda_lock.py [--rounds 5]

Needs the test bed's mirror (`make mirror`); installs a conda into a temporary folder. Both sides start from the same warm package
cache and make the same packages, in turns; both are whole processes. The physical floor beside them is the same files as hard
links. Ends with `lock_vs_create=<ratio>` of a round, the median: less is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, install
from side_by_side import Times, in_turns, machine, ratio, table

OURS, PEER, FLOOR = "conda_env with lock", "conda env create", "hard links alone"

PACKAGES = ["python=3.11", "jupyterlab", "pandas", "requests", "tqdm"]
DEFINITION: dict[str, t.Any] = {"channels": ["conda-forge"], "dependencies": PACKAGES}


def seconds(action: t.Callable[..., t.Any], *values: t.Any, **named: t.Any) -> float:
    start = time.perf_counter()
    action(*values, **named)
    return time.perf_counter() - start


def create(conda: Conda, file: Path, prefix: Path) -> None:
    """What a person would do."""
    env = {"HOME": str(conda.home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    env["CONDA_CHANNEL_ALIAS"] = f"file://{conda.channels}"
    command = [conda.root / "bin/conda", "env", "create", "--quiet", "--file", file, "--prefix", prefix]
    subprocess.run(command, env=env, check=True, capture_output=True)


def link(source: Path, target: Path) -> None:
    """The same files as hard links, and nothing else."""
    shutil.copytree(source, target, symlinks=True, copy_function=os.link)


def names(prefix: Path) -> list[str]:
    return sorted(path.name for path in (prefix / "conda-meta").glob("*.json"))


def measure(conda: Conda, folder: Path, rounds: int) -> dict[str, Times]:
    """Times of all sides; each round begins without the environments. The first one fills the package cache."""
    file = folder / "environment.yml"
    file.write_text(json.dumps({**DEFINITION, "channels": [*DEFINITION["channels"], "nodefaults"]}))
    lock = conda.run(module="conda_lock", definition=DEFINITION, **conda.arguments())["lock"]
    ours, theirs, links = (folder / name for name in ("lock", "create", "links"))

    def linked() -> float:
        took = seconds(link, theirs, links)
        if names(ours) != names(theirs):
            raise SystemExit(f"not the same packages: {set(names(ours)) ^ set(names(theirs))}")
        for path in (theirs, links):
            shutil.rmtree(path)
        conda.run(prefix=str(ours), state="absent")
        return took

    print(f"{len(lock['conda'])} packages, conda {lock['conda_version']}, {machine()}")
    sides = {
        OURS: lambda: seconds(conda.run, prefix=str(ours), lock=lock),
        PEER: lambda: seconds(create, conda, file, theirs),
        FLOOR: linked,
    }
    return in_turns(sides, rounds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        conda = install(Path(folder))
        for path in (conda.root / ".condarc", conda.home / ".condarc"):
            path.unlink()
        times = measure(conda, Path(folder), chosen.rounds)
    print(table(times))
    print(f"the floor in units of ours: {ratio(times, FLOOR, OURS)}")
    print(f"lock_vs_create={ratio(times, OURS, PEER)}")


if __name__ == "__main__":
    main()
