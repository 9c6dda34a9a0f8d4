# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit costs a host with many files, beside `find` for the set-user-ID files alone.

    python bench/audit.py [--files 500000] [--rounds 3]

One converged test server gets that many small files in homes and in /srv. Then drift.yml with the tag `audit`, which reaches the
host and looks at all topics, and `find / -xdev -type f -perm /6000` in turns. CPU is the host's own, of its control group; what
it has looked at before stays in the kernel's caches, as on a server that is used.

Ends with one line of figures: seconds and CPU seconds on the host, of the median round, and the CPU relative to find's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import fleet
from quiet_play import ROOT, play

sys.path.insert(0, str(ROOT / "tests" / "demo"))
from hosts import servers
from shell import docker

HOST = "fleet-00"
PLACES = ("/home/ada/data", "/home/bob/data", "/srv/data")
PER_FOLDER = 1000
FILL = """
import os, sys
per_folder, count, *places = [int(sign) if sign.isdigit() else sign for sign in sys.argv[1:]]
for place in places:
    for number in range(count):
        folder = f"{place}/{number // per_folder}"
        if not number % per_folder:
            os.makedirs(folder)
        with open(f"{folder}/sample-{number}.txt", "w") as file:
            file.write("x")
"""


def cpu() -> float:
    """Seconds that the host has used since it was started (cgroups(7), cpu.stat)."""
    told = dict(line.split() for line in docker("exec", HOST, "cat", "/sys/fs/cgroup/cpu.stat").splitlines())
    return int(told["usage_usec"]) / 1e6


def costs(work: Callable[[], object]) -> tuple[float, float]:
    begun, used = time.monotonic(), cpu()
    work()
    return time.monotonic() - begun, cpu() - used


def measure(files: int, rounds: int) -> str:
    key = fleet.prepare()
    identity = fleet.make_image(key, fleet.ROLES)
    hosts = str(fleet.inventory(fleet.start(1), identity, fleet.PORT, key, fleet.ROLES))
    docker("exec", HOST, "python3", "-c", FILL, str(PER_FOLDER), str(files // len(PLACES)), *PLACES, timeout=600)
    audited = ("playbooks/drift.yml", "-i", hosts, "--check", "--diff", "--tags", "audit")
    sides: dict[str, Callable[[], object]] = {
        "audit": lambda: play(fleet.WORK / "audit.log", *audited, unchanged=True),
        "find": lambda: docker("exec", HOST, "find", "/", "-xdev", "-type", "f", "-perm", "/6000", timeout=600),
    }
    seconds: dict[str, float] = {}
    used: dict[str, float] = {}
    for name, side in sides.items():
        side()
        told = [costs(side) for _round in range(rounds)]
        seconds[name], used[name] = (statistics.median(column) for column in zip(*told))
        print(f"{name:6} {seconds[name]:6.1f} s, {used[name]:6.2f} CPU s on the host with {files} files (medians of {rounds})")
    return f"audit_s={seconds['audit']:.1f} audit_cpu_s={used['audit']:.2f} audit_cpu_vs_find={used['audit'] / used['find']:.1f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=500_000)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    try:
        print(measure(chosen.files, chosen.rounds))
    finally:
        servers.remove([fleet.MOULD, HOST])
        docker("image", "rm", "--force", fleet.IMAGE, check=False)


if __name__ == "__main__":
    main()
