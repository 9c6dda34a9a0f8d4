#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about its health, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_info
short_description: Read what tells whether a host is fit for the roles of this collection
version_added: 0.2.0
description:
  - Reads files and asks the network. Starts no program, takes no lock and changes nothing.
  - The judgement is that of M(openlab.research_server.doctor).
author:
  - openlab.research_server maintainers (@openlab)
options:
  paths:
    description: Folders whose file systems are looked at. For one that does not exist its nearest parent is.
    type: list
    elements: path
    default: [/]
  ports:
    description: TCP ports whose listeners are named.
    type: list
    elements: int
    default: []
  urls:
    description: URLs to ask for. Any answer of a server but an error is enough; nothing is downloaded.
    type: list
    elements: str
    default: []
  packages:
    description: Debian packages to look for, installed or in apt's cache of archives.
    type: list
    elements: str
    default: []
  prefix:
    description: Where conda is, or shall be.
    type: path
    default: /opt/miniconda3
  sources:
    description: Whether the hosts of apt's sources are asked too.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for each URL. All are asked at the same time.
    type: int
    default: 5
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
notes:
  - Needs root to name the programs behind ports.
"""

EXAMPLES = r"""
- name: Look at disk and memory
  openlab.research_server.doctor_info:
    paths: [/opt, /var]
  register: host
"""

RETURN = r"""
facts:
  description: What was found.
  returned: success
  type: dict
  contains:
    time: {description: The host's clock in seconds since 1970., type: float}
    python: {description: Version of the Python that runs the module., type: str, sample: 3.11.2}
    kernel: {description: Release of the kernel., type: str, sample: 6.1.0-50-amd64}
    processors: {description: Number of logical processors., type: int}
    memory: {description: "C(total) and C(available) bytes.", type: dict}
    disks:
      description: "By path: C(path) that was looked at, C(device), C(free) and C(size) in bytes, C(inodes) (free), C(read_only)."
      type: dict
    ports:
      description:
        - "By port, as text: who listens. A program, as C(python3 of ada), or the unit for which systemd does, as
          C(jupyter@ada.socket)."
      type: dict
    urls: {description: "By URL: what went wrong, empty if nothing did.", type: dict}
    sources: {description: "By host of apt's sources: what went wrong, empty if nothing did.", type: dict}
    packages: {description: "By package: V(installed), V(cached) or V(missing).", type: dict}
    dpkg:
      description: "C(interrupted): packages and journals that dpkg has not finished. C(locks): by lock file, who holds it."
      type: dict
    firewalls: {description: Other firewalls that are switched on., type: list, elements: str}
    sshd_matches: {description: "Settings in Match blocks of sshd, outside this collection's file.", type: list, elements: str}
    sshd_ports:
      description: >-
        What decides who may listen on sshd's ports. C(start), the first port that is everybody's; C(settable), whether that can
        be changed; C(inherits), whether sshd takes sockets from systemd; C(units), socket units of this collection.
      type: dict
    conda: {description: "C(exists), C(complete), and C(installer) by name, null where it is not this collection's.", type: dict}
    environments: {description: Number of conda environments., type: int}
"""

import fcntl
import glob
import os
import struct
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url

from ..module_utils._conda import installer
from ..module_utils._conda.errors import CondaEnvError
from ..module_utils._firewall import others
from ..module_utils._host import dpkg, getent, health, listening
from ..module_utils._host.files import read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.mounts import mount_points, table
from ..module_utils._host.runner import Runner
from ..module_utils._nvidia import apt_sources
from ..module_utils._ssh import port as ssh_port
from ..module_utils._ssh import server as ssh_server
from ..module_utils._ssh import server_config

LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
OURS = "/etc/ssh/sshd_config.d/00-research-server.conf"
INIT = 1


def text(path: str) -> str:
    """The text of a file, or nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_disk(path: str) -> dict[str, t.Any]:
    there = Path(path)
    while not there.exists() and there != there.parent:
        there = there.parent
    state = os.statvfs(there)
    return {
        "path": str(there),
        "device": there.stat().st_dev,
        "free": state.f_bavail * state.f_frsize,
        "size": state.f_blocks * state.f_frsize,
        # Some file systems have no fixed number of them and say 0 of 0.
        "inodes": state.f_favail if state.f_files else None,
        "read_only": bool(state.f_flag & os.ST_RDONLY),
    }


def read_ports(ports: list[int], runner: Runner) -> dict[str, list[str]]:
    names: dict[str, set[str]] = {}
    found = listening.read(ports)
    holders = listening.holders(found)
    held = any(holder.pid == INIT for listener in found for holder in holders[listener.inode])
    units = socket_units(runner.attempt("systemctl", "list-sockets", "--no-legend", "--plain", "--no-pager")[1]) if held else {}
    for listener in found:
        told = names.setdefault(str(listener.port), set())
        for holder in holders[listener.inode]:
            unit = units.get(listener.place) if holder.pid == INIT else None
            program = text(f"/proc/{holder.pid}/comm").strip() or "?"
            told.add(unit or f"{program} of {getent.user(holder.uid) or f'account {holder.uid}'}")
    return {port: sorted(told) or ["?"] for port, told in names.items()}


def socket_units(listing: str) -> dict[str, str]:
    """Address with port -> unit, of C(systemctl list-sockets)."""
    return {line.split()[0]: line.split()[1] for line in listing.splitlines() if len(line.split()) > 1}


def lock_holder(path: str) -> str:
    """Who holds a lock. It is asked for, not taken (F_GETLK of fcntl(2))."""
    try:
        with open(path, "rb") as stream:
            layout = "hhqqi4x"
            asked = fcntl.fcntl(stream, fcntl.F_GETLK, struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return ""
    kind, _whence, _start, _length, pid = struct.unpack(layout, asked)
    return "" if kind == fcntl.F_UNLCK else f"{text(f'/proc/{pid}/comm').strip() or 'a program'} (process {pid})"


def read_dpkg() -> dict[str, t.Any]:
    journals = [path for path in glob.glob("/var/lib/dpkg/updates/*") if os.path.basename(path).isdigit()]
    holders = {path: lock_holder(path) for path in LOCKS}
    return {
        "interrupted": sorted(journals) + dpkg.unfinished(text(dpkg.STATUS)),
        "locks": {path: holder for path, holder in holders.items() if holder},
    }


def read_packages(names: list[str]) -> dict[str, str]:
    installed = dpkg.installed(text(dpkg.STATUS))
    cached = {os.path.basename(path).split("_")[0] for path in glob.glob("/var/cache/apt/archives/*.deb")}
    return {name: "installed" if name in installed else "cached" if name in cached else "missing" for name in names}


def read_source_hosts() -> list[str]:
    """One URL for each host of apt's sources."""
    found: dict[str, str] = {}
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        parse = {".list": apt_sources.parse_list, ".sources": apt_sources.parse_sources}.get(os.path.splitext(path)[1])
        for source in parse(text(path)) if parse else []:
            for uri in source["uris"]:
                if urlsplit(uri).scheme in ("http", "https"):
                    suite = source["suites"][0] if source["suites"] else ""
                    release = f"{uri.rstrip('/')}/dists/{suite}/InRelease" if not suite.endswith("/") else uri
                    found.setdefault(urlsplit(uri).netloc, release)
    return list(found.values())


def ask(url: str, timeout: int) -> str:
    """Why a URL cannot be had; empty if it can."""
    if url.startswith("file:"):
        path = urlsplit(url).path
        return "" if os.path.exists(path) else "no such file"
    try:
        open_url(url, method="HEAD", timeout=timeout, force=True).close()
    except Exception as error:  # urllib, ssl and http each have their own; any of them means that it cannot be had
        return health.reason(error)
    return ""


def read_network(urls: list[str], sources: list[str], timeout: int) -> tuple[dict[str, str], dict[str, str]]:
    wanted = list(dict.fromkeys([*urls, *sources]))
    if not wanted:
        return {}, {}
    with ThreadPoolExecutor(max_workers=min(16, len(wanted))) as pool:
        answers = dict(zip(wanted, pool.map(lambda url: ask(url, timeout), wanted)))
    return {url: answers[url] for url in urls}, {urlsplit(url).netloc: answers[url] for url in sources}


def read_matches() -> list[str]:
    lines = server_config.walk(ssh_server.MAIN, read_file, ssh_server.expand)
    return [f"{line.keyword} ({line.path}:{line.number})" for line in lines if line.in_match and line.path != OURS]


def read_obstacle(prefix: str, found: installer.Installed) -> str:
    try:
        installer.require_room(prefix, found, mount_points(table()))
    except CondaEnvError as error:
        return error.cause
    return ""


def read(module: Module) -> dict[str, t.Any]:
    params = module.params
    urls, sources = read_network(params["urls"], read_source_hosts() if params["sources"] else [], params["timeout"])
    prefix = os.path.realpath(params["prefix"])
    conda = installer.read(prefix)
    return {
        "time": time.time(),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "kernel": os.uname().release,
        "processors": os.cpu_count() or 1,
        "memory": health.memory(text("/proc/meminfo")),
        "disks": {path: read_disk(path) for path in params["paths"]},
        "ports": read_ports(params["ports"], Runner(module)),
        "urls": urls,
        "sources": sources,
        "packages": read_packages(params["packages"]),
        "dpkg": read_dpkg(),
        "firewalls": others.found(),
        "sshd_matches": read_matches(),
        "sshd_ports": {
            "start": int(text(ssh_port.START) or ssh_port.DEFAULT_START),
            "settable": os.access(ssh_port.START, os.W_OK),
            "inherits": ssh_server.inherits(),
            "units": sorted(os.path.basename(path) for path in glob.glob(f"{ssh_port.UNITS}/research-server-sshd-*.socket")),
        },
        "conda": {
            "exists": conda.exists,
            "complete": conda.complete,
            "installer": conda.installer.name if conda.installer else None,
            "kept": installer.keeps(prefix, conda),
            "obstacle": read_obstacle(prefix, conda),
        },
        "environments": len(glob.glob(f"{glob.escape(params['prefix'])}/envs/*/conda-meta")),
    }


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": ["/"]},
            "ports": {"type": "list", "elements": "int", "default": []},
            "urls": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "prefix": {"type": "path", "default": "/opt/miniconda3"},
            "sources": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda module: {"changed": False, "facts": read(module)})


if __name__ == "__main__":
    main()
