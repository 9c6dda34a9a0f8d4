#!/usr/bin/env python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two bare machines become research servers, and prove it.

usage: demo.py up [--mirror auto|local|official] [--web] | down
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import lab
import web_door
from playbook import Result, play
from shell import ROOT, TestbedError, fail

SITE = ("ansible-playbook", "playbooks/site.yml", "-i", "inventories/demo")
BOLD, GREEN, PLAIN = ("\033[1m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class Stages:
    """What the demo does, counted."""

    def __init__(self, count: int) -> None:
        self.count, self.number = count, 0

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        self.number += 1
        print(f"\n{BOLD}[{self.number}/{self.count}] {title}{PLAIN}", flush=True)
        started = time.monotonic()
        yield
        print(f"    done in {time.monotonic() - started:.1f} s", flush=True)


def up(mirror: str, *, web: bool) -> None:
    started, stage = time.monotonic(), Stages(8 if web else 7)
    if mirror == "auto":
        mirror = "official" if lab.official_site_answers() else "local"
        print(
            f"conda comes from the {'official sites' if mirror == 'official' else 'local mirror, a test stand-in with a real conda'}"
        )
    with stage("Docker Engine, images of bare Debian servers, mirror"):
        wanted = "network" if mirror == "official" else "up"
        done = subprocess.run([sys.executable, "tests/testbed/testbed.py", wanted], cwd=ROOT, check=False).returncode
        if done != 0:
            raise TestbedError("the test bed could not be made; the reason stands above", done)
    with stage("Two bare servers: sshd on port 22, an administrator with a key, nothing else"):
        keys = lab.make_keys()
        hosts = lab.start(keys["ops"])
        lab.write_inventory(hosts, keys, mirror)
        for host in hosts:
            print(f"    {host.name} at {host.address}")
    with stage("What would change? (check mode, on servers to which nothing was applied yet)"):
        expect(run_site("check-bare", "--check"))
    with stage("ansible-playbook playbooks/site.yml -i inventories/demo"):
        expect(run_site("site-1"))
    with stage("The same command again: nothing may change"):
        again = expect(run_site("site-2"), unchanged=True)
        print(f"    {again.cost()}")
    with stage("Check mode after it: nothing may differ"):
        expect(run_site("check-after", "--check", "--diff"), unchanged=True)
    with stage("Proof, from outside"):
        prove_servers(hosts)
    told = ""
    if web:
        with stage(f"The web door: {hosts[-1].name} joins the group proxy, and people reach JupyterLab by HTTPS"):
            told = open_web_door(hosts[-1])
    summary(hosts, time.monotonic() - started, told)


def run_site(name: str, *options: str) -> Result:
    return play([*SITE, *options], cwd=ROOT, log=lab.WORK / "logs" / f"{name}.log")


def expect(result: Result, *, unchanged: bool = False) -> Result:
    """Stop the demo with the end of the log if the playbook failed, or changed something when it should not."""
    problem = ""
    if result.code != 0:
        problem = f"ansible-playbook ended with {result.code}"
    elif unchanged and any(result.changed.values()):
        problem = f"expected changed=0, found {result.changed}"
    if problem:
        tail = result.log.read_text(encoding="utf-8").splitlines()[-60:]
        raise TestbedError("\n".join([*tail, "", f"{problem}; the whole log: {result.log.relative_to(ROOT)}"]))
    return result


def prove_servers(hosts: list[lab.Host]) -> None:
    from proof import PROOFS  # noqa: PLC0415  # its libraries are not needed to take the demo down

    for host in hosts:
        prove(host, PROOFS)


def prove(host: lab.Host, proofs: Sequence[Callable[[lab.Host], str]]) -> None:
    for proof in proofs:
        try:
            print(f"    {GREEN}✓{PLAIN} {host.name}: {proof(host)}", flush=True)
        except AssertionError as error:
            raise TestbedError(f"{host.name}: {proof.__name__.replace('_', ' ')}: not so: {error}") from error


def open_web_door(host: lab.Host) -> str:
    """Apply it, twice, and prove it. Returns how a person opens it."""
    from proof import jupyter_of  # noqa: PLC0415  # as above
    from web_proof import PROOFS  # noqa: PLC0415

    web_door.add_to_inventory(host)
    only = ("--limit", host.name, "--tags", web_door.TAGS)
    expect(run_site("web-1", *only))
    expect(run_site("web-2", *only), unchanged=True)
    prove(host, PROOFS)
    return web_door.how_to_open(host, jupyter_of(host).token)


def summary(hosts: list[lab.Host], seconds: float, more: str) -> None:
    host = hosts[0]
    ssh = f"ssh -i {lab.key(lab.RESEARCHER).relative_to(ROOT)} -o UserKnownHostsFile={lab.KNOWN_HOSTS.relative_to(ROOT)}"
    ssh += f" -o HostKeyAlias={host.address} -p {lab.PORT}"
    there = f"{lab.RESEARCHER}@{host.address}"
    print(
        f"\n{BOLD}Two research servers in {seconds:.0f} s:{PLAIN} {', '.join(f'{each.name} ({each.address})' for each in hosts)}\n"
    )
    print(f"  log in      {ssh} {there}")
    print(f"  JupyterLab  {ssh} {there} lab-jupyter")
    print("              prints PORT and the address with the token; then open the tunnel, and the address in a browser:")
    print(f"              {ssh} -N -L PORT:127.0.0.1:PORT {there}")
    print(more, end="")
    print("  drift?      scripts/research-server-drift -i inventories/demo   (after: . tests/env.sh)")
    print("  inventory   inventories/demo/")
    print("  stop        make demo-down   (removes servers, network, keys and inventory; `make clean` also images and caches)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--mirror", choices=("auto", "local", "official"), default=os.environ.get("LAB_MIRROR", "auto"))
    parser.add_argument("--web", action="store_true", help="people reach JupyterLab by HTTPS, too")
    options = parser.parse_args()
    try:
        if options.command == "up":
            up(options.mirror, web=options.web)
        else:
            down()
    except TestbedError as error:
        return fail(error)
    return 0


def down() -> None:
    lab.remove()
    subprocess.run([sys.executable, "tests/testbed/testbed.py", "down"], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
