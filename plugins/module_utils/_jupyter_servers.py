# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the JupyterLab services of a host need, from what was seen. Pure. Private to this collection."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

UNIT = re.compile(r"jupyter@(?P<name>.+)\.service")
LISTEN = "0A"  # the state in /proc/net/tcp, proc(5); TCP_LISTEN in include/net/tcp_states.h

Listener = tuple[str, int]


@dataclass(frozen=True)
class Server:
    """One instance of the unit, as it was seen. Times are seconds since the epoch."""

    name: str
    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    enabled: bool = False
    reload: bool = False
    pid: int = 0
    started: float = 0.0
    processes: int | None = None
    listeners: tuple[Listener, ...] = ()
    leftovers: bool = False
    overridden: float = 0.0  # when the newest of the unit's drop-ins was written

    @property
    def runs(self) -> bool:
        return self.active == "active" and self.pid > 0

    @property
    def exposed(self) -> list[str]:
        """The addresses that others than this host could reach."""
        return [f"{address}:{port}" for address, port in self.listeners if not ipaddress.ip_address(address).is_loopback]

    @property
    def idle(self) -> bool:
        """Nothing but the server itself: no kernel, no terminal, no job. Unknown counts as busy."""
        return self.processes == 1

    def booting(self, now: float, seconds: float) -> bool:
        """Started a moment ago and not listening yet."""
        young = self.active in ("activating", "reloading") or (self.runs and now - self.started < seconds)
        return self.load == "loaded" and young and not self.listeners

    def serves(self, port: int) -> bool:
        return self.runs and not self.exposed and port in [number for unused, number in self.listeners]

    def describe(self) -> str:
        if not self.runs:
            where = self.active if self.sub in ("dead", self.active) else f"{self.active} ({self.sub})"
        else:
            where = ", ".join(f"{address}:{port}" for address, port in self.listeners) or "not listening"
        return f"{where}, {'enabled' if self.enabled else 'disabled'}{', masked' if self.load == 'masked' else ''}"


@dataclass
class Plan:
    """Names, each in alphabetical order."""

    reload: bool = False
    unmask: list[str] = field(default_factory=list)
    enable: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return any((self.reload, self.unmask, self.enable, self.start, self.restart, self.remove))


def make_plan(ports: Mapping[str, int], seen: Mapping[str, Server], changed_at: float, restart: str) -> Plan:
    """Compare the servers that should run, each with its port, with those that were seen.

    A server that was started before `changed_at`, or that listens on another port, is out of date. `restart` says what
    becomes of it: C(idle) restarts it if nothing runs in it, C(always) restarts it, C(never) only reports it.
    """
    plan = Plan(remove=sorted(set(seen) - set(ports)))
    for name, port in sorted(ports.items()):
        server = seen.get(name, Server(name))
        plan.reload |= server.reload
        if server.load == "masked":
            plan.unmask.append(name)
        if not server.enabled:
            plan.enable.append(name)
        if not server.runs or not server.listeners:
            plan.start.append(name)
        elif server.exposed:
            plan.restart.append(name)
        elif server.started < max(changed_at, server.overridden) or not server.serves(port):
            may = restart == "always" or (restart == "idle" and server.idle)
            (plan.restart if may else plan.pending).append(name)
    return plan


def taken(ports: Mapping[str, int], plan: Plan, seen: Mapping[str, Server], listening: Iterable[Listener]) -> list[str]:
    """The users to be started whose port another program has, which would get what their browsers send."""
    ours = {listener for server in seen.values() for listener in server.listeners}
    strangers = {port for address, port in set(listening) - ours}
    return [name for name in sorted({*plan.start, *plan.restart}) if ports[name] in strangers]


def describe(names: Iterable[str], servers: Mapping[str, Server]) -> str:
    """One line for each name, for a diff."""
    return "".join(f"{name}: {servers[name].describe() if name in servers else 'absent'}\n" for name in sorted(names))


def describe_wanted(ports: Mapping[str, int], seen: Mapping[str, Server], plan: Plan) -> str:
    """What :func:`describe` will say once the plan has been carried out."""
    lines = []
    for name in sorted({*ports, *seen}):
        if name in plan.remove:
            text = "absent"
        elif name in plan.start + plan.restart:
            text = f"127.0.0.1:{ports[name]}, enabled"
            text += " (restarted)" if name in plan.restart else ""
        else:
            text = seen[name].describe().replace("disabled", "enabled").replace(", masked", "")
        lines.append(f"{name}: {text}\n")
    return "".join(lines)


def parse_show(text: str) -> list[dict[str, str]]:
    """The units in the output of C(systemctl show): blocks of KEY=VALUE, apart by an empty line."""
    units: dict[str, dict[str, str]] = {}
    for block in text.split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if unit.get("Id"):
            units[unit["Id"]] = unit
    return list(units.values())


def name_of(unit: str) -> str | None:
    """The NAME of C(jupyter@NAME.service); nothing for other units."""
    match = UNIT.fullmatch(unit)
    return match.group("name") if match else None


def parse_listeners(table: str) -> dict[str, Listener]:
    """Socket inode -> address and port, of the listening sockets in C(/proc/net/tcp) or C(/proc/net/tcp6) (proc(5))."""
    found = {}
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 10 or columns[3] != LISTEN:
            continue
        address, port = columns[1].split(":")
        found[columns[9]] = (_address(address), int(port, 16))
    return found


def _address(digits: str) -> str:
    """An address as the kernel prints it: 32-bit words in the byte order of the machine."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)
