# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host more costs: site.yml and the drift run on fleets of converged hosts, beside 46 tasks that do nothing.

    python bench/fleet.py [--hosts 10 30] [--without ROLE ...] [--keep] [--odd]

One bare test server gets all roles of a server, becomes an image, and is started as many times as the fleet has hosts. On
each fleet site.yml, drift.yml and the peer run in turns, over SSH, after one run that is not counted; none may change or find
anything. There are as many forks as hosts, as docs/drift.md has it: to wait for a free one costs as well. CPU is the
controller's: of ansible-playbook and all that it starts, the kept connections of ssh included. What the hosts themselves do
shares the machine's cores, so seconds of the clock say little here, and a CPU second is less work than on a controller of its
own: how much less is measured beside each run (pace.py), and the CPU seconds of a quiet core are told, too.

With --odd, four hosts of a fleet of twenty are broken then, and it is told what the drift run says of them, and how much longer
it takes for their sake.

Ends with one line of figures, of the worse of site.yml and drift.yml: tasks of a host; CPU seconds of one host more, from the
smallest to the largest fleet, as the kernel counts them and as those of a quiet core; that relative to the peer's; CPU per host
of the largest fleet relative to the smallest's.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "demo"))
from hosts import images, network, servers  # noqa: E402
from pace import Pace, Told, alone  # noqa: E402
from quiet_play import PEER_TASKS, peer_playbook, play  # noqa: E402
from shell import docker, run  # noqa: E402

WORK = ROOT / ".cache" / "bench" / "fleet"
MOULD = "fleet-mould"
IMAGE = "research-server/fleet:bench"
ROLES = ("accounts", "firewall", "sshd", "fail2ban", "nvidia", "miniconda", "conda_envs", "jupyter", "workbench", "audit")
PORT = 2222
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
READY_SECONDS = 180


@dataclass(frozen=True)
class Cost:
    """Of one run on one fleet."""

    hosts: int
    tasks: int
    seconds: float
    cpu: float
    # How many times what a piece of work costs on a quiet core.
    slower: float

    @property
    def quiet_cpu(self) -> float:
        return self.cpu / self.slower

    @property
    def per_host(self) -> float:
        return self.quiet_cpu / self.hosts


def prepare() -> Path:
    """An empty place to work, and the administrator's key."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    key = WORK / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], timeout=30)
    return key


def inventory(addresses: Mapping[str, str], identity: str, port: int, key: Path, roles: Iterable[str]) -> Path:
    known = WORK / "known_hosts"
    known.write_text("".join(f"{address} {identity}\n" for address in addresses.values()), encoding="utf-8")
    public = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    found = json.loads((ROOT / ".cache" / "mirror" / "mirror.json").read_text(encoding="utf-8"))
    people = [{"name": name, "keys": [public]} for name in ("ada", "bob")]
    specification = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "ipykernel", "alpha=1.0.0", "pip"]}
    variables = {
        "ansible_user": servers.ADMINISTRATOR,
        "ansible_port": port,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": f"-F /dev/null -o UserKnownHostsFile={known} -o IdentitiesOnly=yes",
        "sshd_port": PORT,
        "accounts_administrators": [{"name": servers.ADMINISTRATOR, "keys": [public], "sudo_nopasswd": True}],
        "accounts_researchers": people,
        "nvidia_sysfs_root": servers.EMPTY_SYSFS,
        "miniconda_version": found["miniconda_version"],
        "miniconda_checksum": found["checksum"],
        "miniconda_age_notice": 0,
        "miniconda_base_url": "http://mirror:8080/miniconda",
        "miniconda_channel_alias": "http://mirror:8080/conda",
        "conda_envs_environments": [{"name": "lab", "definition": specification}],
    }
    hosts = {name: {"ansible_host": address} for name, address in addresses.items()}
    content = {
        "all": {
            "vars": variables,
            "children": {"research_servers": {"hosts": hosts}, **{role: {"hosts": dict.fromkeys(hosts)} for role in roles}},
        }
    }
    path = WORK / "hosts.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def make_image(key: Path, roles: Iterable[str]) -> str:
    """Converge one host and keep it as an image. Returns the public part of its host key."""
    (mould,) = servers.start({MOULD: "debian13"}, key.with_suffix(".pub").read_text(encoding="utf-8").strip())
    hosts = inventory({MOULD: mould.address}, mould.identity, 22, key, roles)
    for name in ("first", "second"):
        play(WORK / f"{name}.log", "playbooks/site.yml", "-i", str(hosts), unchanged=name == "second")
    docker("stop", "--time", "60", MOULD, timeout=90)
    docker("commit", MOULD, IMAGE, timeout=300)
    servers.remove([MOULD])
    return mould.identity


def start(count: int) -> dict[str, str]:
    """Hosts by name with their addresses, up to the login."""
    names = [f"fleet-{number:02}" for number in range(count)]
    for name in names:
        options = ("--name", name, "--hostname", name, "--label", images.OWNER_LABEL, "--network", network.NETWORK)
        docker("run", "--detach", *options, *servers.PRIVILEGES, IMAGE)
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    addresses = {name: docker("inspect", "--format", form, name).strip() for name in names}
    deadline = time.monotonic() + READY_SECONDS
    for name in names:
        while docker("exec", name, "systemctl", "is-system-running", check=False).strip() not in ("running", "degraded"):
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} is not up after {READY_SECONDS} s: docker exec {name} systemctl")
            time.sleep(1)
    return addresses


def counted(name: str, hosts: int, quiet: Told, *arguments: str) -> Cost:
    """A run that may change nothing, with what ssh has kept open for it."""
    sockets = WORK / "sockets"
    sockets.mkdir(exist_ok=True)
    os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(sockets)
    before, pace = _cpu(), Pace()
    result = play(WORK / f"{name}-{hosts}.log", *arguments, "--forks", str(hosts), unchanged=True)
    told = pace.told()
    for socket in sockets.iterdir():
        subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "x"], capture_output=True, check=False)
    while _reaped():
        pass
    return Cost(hosts, max(result.tasks.values()), result.seconds, _cpu() - before - told.used, told.piece / quiet.piece)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reaped() -> bool:
    """Wait for one more of the orphans: they are this process's, see main()."""
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True


# What is wrong with a host, and the command that makes it so, on the machine that runs the containers or in one of them.
BROKEN = {
    "is down": ("kill", "{name}"),
    "hangs where people log in": ("exec", "{name}", "sh", "-c", "kill -STOP $(systemctl show --value -p MainPID ssh)"),
    "has no room for temporary files": (
        *("exec", "{name}", "sh", "-c"),
        "for at in /tmp /var/tmp; do mount -t tmpfs -o size=1m none $at; cat /dev/zero > $at/full; done 2>/dev/null; true",
    ),
    "has no python3": ("exec", "{name}", "sh", "-c", "rm -f /usr/bin/python3*"),
}
ODD_FLEET = 20


def measure_odd(key: Path, identity: str, roles: Iterable[str]) -> str:
    """The same fleet twice: sound, and with the first hosts broken."""
    addresses = start(ODD_FLEET)
    hosts = inventory(addresses, identity, PORT, key, roles)
    play(WORK / "warm-odd.log", "playbooks/site.yml", "-i", str(hosts))
    sound = compare(hosts)
    for name, command in zip(addresses, BROKEN.values(), strict=False):
        docker(*(word.format(name=name) for word in command))
    broken = compare(hosts)
    servers.remove(list(addresses))
    for name, what in zip(addresses, BROKEN, strict=False):
        told = broken.hosts[name]
        said = " ".join(str(finding["message"]) for finding in told["errors"])
        print(f"{name} {what}: {told['verdict']} {said[:300]}")
    clean = sum(host["verdict"] == "clean" for host in broken.hosts.values())
    return (
        f"fleet_odd_exit={broken.code} fleet_odd_clean={clean}/{ODD_FLEET} fleet_odd_s_more={broken.seconds - sound.seconds:.0f}"
    )


class Compared(NamedTuple):
    code: int
    seconds: float
    hosts: dict[str, dict[str, Any]]


def compare(hosts: Path) -> Compared:
    """By the command that people use."""
    report = WORK / "drift.json"
    forks = str(ODD_FLEET)
    command: list[str | Path] = [ROOT / "scripts" / "research-server-drift", "-i", hosts, "--report", report, "--forks", forks]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not report.is_file():
        raise SystemExit(done.stdout + done.stderr)
    return Compared(done.returncode, time.monotonic() - begin, json.loads(report.read_text(encoding="utf-8"))["hosts"])


def measure(sizes: list[int], roles: Iterable[str], *, odd: bool) -> str:
    key, quiet = prepare(), alone()
    identity = make_image(key, roles)
    peer = str(peer_playbook(WORK))
    costs: dict[str, list[Cost]] = {"site.yml": [], "drift.yml": [], f"{PEER_TASKS} no-op tasks": []}
    *ours, peers = costs
    for size in sizes:
        addresses = start(size)
        hosts = str(inventory(addresses, identity, PORT, key, roles))
        play(WORK / f"warm-{size}.log", "playbooks/site.yml", "-i", hosts)
        costs["site.yml"].append(counted("site", size, quiet, "playbooks/site.yml", "-i", hosts))
        costs["drift.yml"].append(counted("drift", size, quiet, "playbooks/drift.yml", "-i", hosts, "--check", "--diff"))
        costs[peers].append(counted("peer", size, quiet, peer, "-i", hosts))
        servers.remove(list(addresses))
    print(f"{'':18} hosts  tasks  seconds  CPU s  times slower than quiet  CPU s of a quiet core  per host")
    for name, told in costs.items():
        for cost in told:
            counts = f"{name:18} {cost.hosts:5} {cost.tasks:6} {cost.seconds:8.1f} {cost.cpu:6.1f}"
            print(f"{counts} {cost.slower:24.2f} {cost.quiet_cpu:22.1f} {cost.per_host:9.2f}")
    counted_more, more = one_more(costs, "cpu"), one_more(costs, "quiet_cpu")
    told_more = (f"{name} {counted_more[name]:.2f} CPU s, of a quiet core {cpu:.2f}" for name, cpu in more.items())
    print("one host more: " + "; ".join(told_more))
    worst = max(ours, key=more.__getitem__)
    growth = costs[worst][-1].per_host / costs[worst][0].per_host
    return " ".join(
        [
            f"fleet_tasks={max(cost.tasks for name in ours for cost in costs[name])}",
            f"fleet_cpu_s_per_host={counted_more[worst]:.2f}",
            f"fleet_quiet_cpu_s_per_host={more[worst]:.2f}",
            f"fleet_vs_{PEER_TASKS}_tasks={more[worst] / more[peers]:.2f}",
            f"fleet_growth_{sizes[0]}_to_{sizes[-1]}={growth:.2f}",
            *([measure_odd(key, identity, roles)] if odd else []),
        ]
    )


def one_more(costs: Mapping[str, list[Cost]], figure: str) -> dict[str, float]:
    """What one host more costs, from the smallest fleet to the largest."""
    return {
        name: (getattr(told[-1], figure) - getattr(told[0], figure)) / (told[-1].hosts - told[0].hosts)
        for name, told in costs.items()
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hosts", type=int, nargs=2, default=[10, 30], metavar=("FEW", "MANY"))
    options.add_argument("--without", nargs="*", choices=ROLES, default=[], metavar="ROLE", help="leave out of the hosts' roles")
    options.add_argument("--odd", action="store_true", help="break four hosts of a fleet of twenty, too")
    options.add_argument("--keep", action="store_true", help="keep the image")
    chosen = options.parse_args()
    # The connections that ssh keeps open outlive ansible-playbook: they become children of this process, and are counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        print(measure(chosen.hosts, [role for role in ROLES if role not in chosen.without], odd=chosen.odd))
    finally:
        servers.remove([MOULD, *(f"fleet-{number:02}" for number in range(max(chosen.hosts[1], ODD_FLEET)))])
        if not chosen.keep:
            docker("image", "rm", "--force", IMAGE, check=False)


if __name__ == "__main__":
    main()
