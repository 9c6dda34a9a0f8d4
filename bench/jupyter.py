# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the JupyterLabs of many people cost a host, asleep and awake, and how long one takes to wake.

    python bench/jupyter.py [--people 30] [--rounds 5]

One test server gets the roles that a JupyterLab needs. Memory is the proportional share of all their processes, in which what
they share counts once (proc_pid_smaps(5)); the peer is `jupyter lab` started by hand, as many times. Waking is from a person's
connection to the server's first answer.

Ends with one line of figures: MiB for all of them asleep and awake, awake relative to the peer's, seconds to wake (the median).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import fleet
import yaml
from quiet_play import ROOT, play

sys.path.insert(0, str(ROOT / "tests" / "demo"))
from hosts import servers
from shell import docker

HOST = "jupyter-bench"
ROLES = ("accounts", "sshd", "miniconda", "jupyter")
MEMORY = """
import glob
total = 0
for path in glob.glob("/proc/[0-9]*/smaps_rollup"):
    try:
        command = open(path.replace("smaps_rollup", "cmdline")).read()
        if "jupyter-serve" in command or "jupyterlab" in command:
            total += sum(int(line.split()[1]) for line in open(path) if line.startswith("Pss:"))
    except OSError:
        pass
print(total / 1024)
"""
ASK = """
import json, time, urllib.request
port = json.load(open("/etc/lab-jupyter.json"))["ports"]["p00"]
begun = time.monotonic()
urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=120).read()
print(time.monotonic() - begun)
"""
BY_HAND = "/opt/miniconda3/envs/jupyter/bin/python -m jupyterlab --no-browser --ServerApp.port={} --ServerApp.root_dir=/home/{}"


def host(*words: str, seconds: float = 600) -> str:
    return docker("exec", HOST, *words, timeout=seconds)


def memory() -> float:
    return float(host("python3", "-c", MEMORY))


def converge(people: list[str]) -> None:
    key = fleet.prepare()
    (server,) = servers.start({HOST: "debian13"}, key.with_suffix(".pub").read_text(encoding="utf-8").strip())
    path = fleet.inventory({HOST: server.address}, server.identity, 22, key, ROLES)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = content["all"]["vars"]["accounts_researchers"][0]["keys"]
    content["all"]["vars"] |= {
        "accounts_researchers": [{"name": name, "keys": keys} for name in people],
        "jupyter_start_timeout": 900,
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    play(fleet.WORK / "jupyter.log", "playbooks/site.yml", "-i", str(path))


def measure(count: int, rounds: int) -> str:
    people = [f"p{number:02}" for number in range(count)]
    converge(people)
    units = [f"jupyter@{name}.service" for name in people]
    host("systemctl", "start", *units)
    awake = memory()
    host("systemctl", "stop", *units)
    asleep = memory()
    print(f"{count} people: {awake:.0f} MiB awake, {asleep:.0f} MiB asleep")
    woken = []
    for _round in range(rounds):
        woken.append(float(host("runuser", "-u", "p00", "--", "python3", "-c", ASK)))
        host("systemctl", "stop", units[0])
    for number, name in enumerate(people):
        docker("exec", "--detach", HOST, "su", name, "-c", BY_HAND.format(45000 + number, name))
    settled = 0.0
    while (by_hand := memory()) > settled * 1.01:
        settled = by_hand
        time.sleep(20)
    print(f"{count} people: {by_hand:.0f} MiB started by hand")
    wakes = statistics.median(woken)
    return (
        f"jupyter_asleep_mib={asleep:.0f} jupyter_awake_mib={awake:.0f} awake_vs_by_hand={awake / by_hand:.2f} wake_s={wakes:.1f}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=30)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    try:
        print(measure(chosen.people, chosen.rounds))
    finally:
        servers.remove([HOST])


if __name__ == "__main__":
    main()
