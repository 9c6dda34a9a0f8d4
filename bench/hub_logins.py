# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A class that comes in by the web door all at once: seconds until everybody has a running kernel, and memory then.

    python bench/hub_logins.py [--people 30] [--login oidc|pam] [--files 30]

One test server gets the roles that a login page needs, with their defaults; everybody's JupyterLab sleeps. Then all people log in
at the same moment, by a provider of OpenID Connect on that server or by a password, load the page and files of it, start a
kernel, and have it answer 1+1. Nobody tries anything twice. Their browsers are threads of this program, and share the machine's
cores with the server. Memory is the proportional share of the server's processes (proc_pid_smaps(5)).

Ends with one line of figures: how many got no answer; seconds until the last of all others was logged in, had the page, and had
the answer; MiB of all that runs on the server then, and before anybody came.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import re
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import fleet
import requests
import yaml
from people.jupyter_api import JupyterError
from people.server_name import leading
from people.web_visitor import PROVIDER, Visitor
from quiet_play import ROOT, play

sys.path.insert(0, str(ROOT / "tests" / "demo"))
from hosts import servers
from shell import docker, run

HOST = "hub-bench"
NAME = "lab.example.org"
PASSWORD = "battery staple 7"  # noqa: S105 - of people who are there for a minute
AUTHORITY = fleet.WORK / "ca" / "ca.crt"
ROLES = ("accounts", "miniconda", "conda_envs", "jupyter", "proxy", "jupyterhub")
PATIENCE = 900
STEPS = ("logged in", "has the page", "has an answer")
RUN_PROVIDER = """
set -eu
python=/opt/miniconda3/envs/lab/bin/python
$python -m pip install -q --target /srv/provider oidc-provider-mock==0.3.4
systemd-run --quiet --unit=provider --setenv=PYTHONPATH=/srv/provider \
    $python -m oidc_provider_mock --host 0.0.0.0 --port 9400 "$@"
"""
AS_BY_DEFAULT = """
set -eu
mkdir /run/systemd/system/jupyter@.service.d
printf '[Service]\\nTimeoutStartSec=120\\n' > /run/systemd/system/jupyter@.service.d/default.conf
systemctl daemon-reload
"""
# Of each unit of systemd, in the order of what they take.
MEMORY = """
import collections, glob
found = collections.Counter()
for path in glob.glob("/proc/[0-9]*/smaps_rollup"):
    try:
        group = open(path.replace("smaps_rollup", "cgroup")).read().strip().rsplit("/", 1)[-1]
        name = group.partition("@")[0].partition(".")[0]
        found[name] += sum(int(line.split()[1]) for line in open(path) if line.startswith("Pss:"))
    except OSError:
        pass
print(*(f"{name}={kib // 1024}" for name, kib in found.most_common()))
"""


class Told(NamedTuple):
    """How it went for one of them."""

    reached: tuple[float, ...]
    """Seconds from the moment when all came, for each step."""
    error: str


def host(*words: str, seconds: float = 600) -> str:
    return docker("exec", HOST, *words, timeout=seconds)


def memory() -> dict[str, int]:
    """MiB by unit."""
    return {name: int(mib) for name, _sign, mib in (word.partition("=") for word in host("python3", "-c", MEMORY).split())}


def converge(people: Sequence[str], login: str) -> str:
    """The address of a server with all that it takes."""
    key = fleet.prepare()
    (server,) = servers.start({HOST: "debian13"}, key.with_suffix(".pub").read_text(encoding="utf-8").strip())
    # As on a machine: a service's credentials are mounted for it.
    host("mount", "--make-rshared", "/")
    path = fleet.inventory({HOST: server.address}, server.identity, 22, key, ROLES)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = content["all"]["vars"]["accounts_researchers"][0]["keys"]
    provider = f"http://{PROVIDER[0]}:{PROVIDER[1]}"
    content["all"]["vars"] |= {
        "accounts_researchers": [{"name": name, "keys": keys} for name in people],
        "proxy_names": [NAME],
        "proxy_ca_dir": str(AUTHORITY.parent),
        "proxy_sites": [{"name": "lab", "to": "jupyter", "path": "/user/", "auth": "hub"}],
        "jupyterhub_login": login,
        # Of the run, which starts all of them at once to see whether they do.
        "jupyter_start_timeout": 900,
    }
    if login == "oidc":
        content["all"]["vars"] |= {
            "jupyterhub_client_id": "lab",
            "jupyterhub_client_secret": "word between the lab and the institute",
            "jupyterhub_authorize_url": f"{provider}/oauth2/authorize",
            "jupyterhub_token_url": f"{provider}/oauth2/token",
            "jupyterhub_userdata_url": f"{provider}/userinfo",
            "jupyterhub_username_claim": "sub",
            "jupyterhub_scope": ["openid"],
        }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    play(fleet.WORK / "hub.log", "playbooks/site.yml", "-i", str(path))
    known = (word for name in people for word in ("--user", name))
    host("bash", "-c", RUN_PROVIDER, "provider", *known)
    given = "".join(f"{name}:{PASSWORD}\n" for name in people)
    run(["docker", "exec", "--interactive", HOST, "chpasswd"], timeout=60, stdin=given)
    host("bash", "-c", AS_BY_DEFAULT)
    host("systemctl", "stop", "jupyter@*.service")
    return server.address


def come(name: str, login: str, files: int, gate: threading.Barrier, kernels: ExitStack) -> Told:
    """Log in, load the page and files of it, and have a kernel answer, which runs on."""
    visitor, reached = Visitor(NAME, str(AUTHORITY), PATIENCE), list[float]()
    gate.wait()
    begun = time.monotonic()
    try:
        # As a browser does it, which is led from the login to the page.
        page = visitor.log_in(name) if login == "oidc" else visitor.log_in_with(name, PASSWORD)
        if not page.ok or page.url != f"https://{NAME}/user/{name}/lab":
            return Told((), f"{page.status_code} at {page.url.partition('?')[0]}")
        reached.append(time.monotonic() - begun)
        load(visitor, name, page.text, files)
        reached.append(time.monotonic() - begun)
        theirs = visitor.lab(name)
        said = theirs.run(kernels.enter_context(theirs.kernel("lab")), "print(1+1)").strip()
        reached.append(time.monotonic() - begun)
    except (AssertionError, JupyterError, requests.RequestException) as error:
        return Told(tuple(reached), f"{type(error).__name__}: {str(error)[:200]}")
    return Told(tuple(reached), "" if said == "2" else f"1+1 is {said!r}")


def load(visitor: Visitor, name: str, page: str, most: int) -> None:
    """What the page names, again and again up to so many files, on as many connections at once as a browser has streams."""
    named = re.findall(rf'(?:src|href)="(/user/{name}/static/[^"]+)"', page)
    with ThreadPoolExecutor(most) as browser:
        answers = list(browser.map(visitor.get, itertools.islice(itertools.cycle(named), most)))
    for answer in answers:
        answer.raise_for_status()


def measure(count: int, login: str, files: int) -> str:
    people = [f"p{number:02}" for number in range(count)]
    address = converge(people, login)
    before = memory()
    gate = threading.Barrier(count)
    with (
        leading(NAME, address),
        leading(PROVIDER[0], address, PROVIDER[1]),
        ThreadPoolExecutor(count) as class_room,
        ExitStack() as kernels,
    ):
        told = list(class_room.map(lambda name: come(name, login, files, gate, kernels), people))
        after = memory()
    failed = collections.Counter(f"not {STEPS[len(one.reached)]}: {one.error}" for one in told if one.error)
    for error, times in failed.most_common():
        print(f"{times} of {count} {error}")
    steps = [sorted(one.reached[step] for one in told if len(one.reached) > step) for step in range(len(STEPS))]
    for step, all_of_them in zip(STEPS, steps, strict=True):
        told_of = f", the first after {all_of_them[0]:.1f} s, the last after {all_of_them[-1]:.1f} s" if all_of_them else ""
        print(f"{step:13}: {len(all_of_them)} of {count}{told_of}")
    for when, by_unit in (("before", before), ("then", after)):
        print(f"MiB {when}: {', '.join(f'{name} {mib}' for name, mib in list(by_unit.items())[:8])}")
    last = [max(seconds, default=0.0) for seconds in steps]
    return (
        f"hub_people={count} hub_failed={sum(failed.values())} hub_login_s={last[0]:.0f} hub_page_s={last[1]:.0f} "
        f"hub_kernel_s={last[2]:.0f} hub_mib={sum(after.values())} hub_mib_before={sum(before.values())}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=30)
    options.add_argument("--login", choices=["oidc", "pam"], default="oidc")
    options.add_argument("--files", type=int, default=30)
    chosen = options.parse_args()
    try:
        print(measure(chosen.people, chosen.login, chosen.files))
    finally:
        servers.remove([HOST])


if __name__ == "__main__":
    main()
