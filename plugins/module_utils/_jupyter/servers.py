# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the JupyterLab services of a host need, from what was seen. Pure. Private to this collection."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .._host.listening import Listener
from .._text.escapes import in_one_line

UNIT = re.compile(r"jupyter@(?P<name>.+)\.service")
# Who listens on one of these keeps a server from 127.0.0.1. An IPv6 socket may be for IPv6 alone; that cannot be seen.
IN_THE_WAY = ("127.0.0.1", "0.0.0.0", "::")  # noqa: S104  compared with, not listened on
# Seconds that a server gets which has ended by itself since it was last told to start: it will most likely do so again.
PATIENCE = 20.0
JOURNAL_LINES, LINE_CHARACTERS = 8, 200
# Of the journal, to find as many that differ.
JOURNAL_READ = 60

Place = tuple[str, int]
"""Address and port."""


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
    listeners: tuple[Place, ...] = ()
    leftovers: bool = False
    overridden: float = 0.0  # when the newest of the unit's drop-ins was written
    since: float = 0.0  # when it came into its present state
    restarts: int = 0  # how often systemd has started it again by itself
    result: str = "success"  # how it ended, if it did
    job: bool = False  # systemd has something to do with it
    invocation: str = ""  # what the journal calls this start of it
    regrouped: bool = False  # its processes are in other groups than their owner

    @property
    def runs(self) -> bool:
        return self.active == "active" and self.pid > 0

    @property
    def up(self) -> bool:
        return self.runs and bool(self.listeners)

    @property
    def moves(self) -> bool:
        """On its way up or down."""
        return self.active in ("activating", "reloading", "deactivating")

    @property
    def exposed(self) -> list[str]:
        """The addresses that others than this host could reach."""
        return [f"{address}:{port}" for address, port in self.listeners if not ipaddress.ip_address(address).is_loopback]

    @property
    def idle(self) -> bool:
        """Nothing but the server itself: no kernel, no terminal, no job. Unknown counts as busy."""
        return self.processes == 1

    def coming(self, now: float, seconds: float, waited: float) -> bool:
        """Whether to wait for it. What its owner has written may make it sleep or end for ever: a run does not wait long then."""
        if self.load != "loaded" or not (self.moves or self.job):
            return False
        if not self.restarts:
            return now - self.since < seconds
        failing = self.sub.startswith("auto-restart") and self.result != "success"
        return not failing and now - self.since < PATIENCE and waited < PATIENCE

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
    pending: dict[str, str] = field(default_factory=dict)
    """Name -> why it is out of date."""
    remove: list[str] = field(default_factory=list)

    @property
    def begin(self) -> list[str]:
        return sorted({*self.start, *self.restart})

    @property
    def changed(self) -> bool:
        return any((self.reload, self.unmask, self.enable, self.start, self.restart, self.remove))

    def leave_out(self, names: Iterable[str]) -> None:
        """Start none of them."""
        self.start = [name for name in self.start if name not in names]
        self.restart = [name for name in self.restart if name not in names]


def make_plan(
    ports: Mapping[str, int], seen: Mapping[str, Server], changed_at: float, restart: str, ports_written: float = 0.0
) -> Plan:
    """Compare the servers that should run, each with its port, with those that were seen.

    A server that was started before `changed_at`, that listens on another port, or whose owner is in other groups by now, is
    out of date. `restart` says what becomes of it: C(idle) restarts it if nothing runs in it, C(always) restarts it, C(never)
    only reports it. One that does not listen yet is out of date if it was started before `ports_written`, too.
    """
    plan = Plan(remove=sorted(set(seen) - set(ports)))
    for name, port in sorted(ports.items()):
        server = seen.get(name, Server(name))
        plan.reload |= server.reload
        if server.load == "masked":
            plan.unmask.append(name)
        if not server.enabled:
            plan.enable.append(name)
        why = _out_of_date(server, port, changed_at, ports_written)
        if server.active == "activating" and server.sub.startswith("start") and server.pid:
            # Nothing runs in it yet.
            if why and restart != "never":
                plan.restart.append(name)
        elif not server.up:
            if not server.moves:
                plan.start.append(name)
        elif server.exposed:
            plan.restart.append(name)
        elif why:
            if restart == "always" or (restart == "idle" and server.idle):
                plan.restart.append(name)
            else:
                plan.pending[name] = why
    return plan


def _out_of_date(server: Server, port: int, changed_at: float, ports_written: float) -> str:
    """Why a server that runs is not what it would be if it were started now; empty if it is."""
    reasons = {
        "its environment or its unit has changed": server.started < max(changed_at, server.overridden),
        "it has another port now": not server.serves(port) if server.listeners else server.started < ports_written,
        "its owner is in other groups now": server.regrouped,
    }
    return ", ".join(reason for reason, holds in reasons.items() if holds)


def taken(
    ports: Mapping[str, int], plan: Plan, seen: Mapping[str, Server], sockets: Mapping[str, Listener], guarded: bool
) -> dict[str, str]:
    """The users whose server is to start, or tries to, and whose port somebody else has -> the socket in the way.

    Servers that this plan stops are not in the way: two users may swap their ports. `guarded`: nobody else can be
    reached on that port. If not, one who listens on another address matters, too: the token may be sent there.
    """
    leaving = {*plan.start, *plan.restart, *plan.remove}
    found = {}
    for name, port in sorted(ports.items()):
        if name not in leaving and seen.get(name, Server(name)).up:
            continue
        ours = {listener for other, server in seen.items() if other == name or other in leaving for listener in server.listeners}
        for inode, stranger in sorted(sockets.items()):
            matters = not guarded or stranger.address in IN_THE_WAY
            if stranger.port == port and matters and (stranger.address, stranger.port) not in ours:
                found[name] = inode
                break
    return found


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
            text = seen[name].describe() if name in seen else "absent"
            if name in plan.enable:
                text = text.replace("disabled", "enabled")
            if name in plan.unmask:
                text = text.replace(", masked", "")
        lines.append(f"{name}: {text}\n")
    return "".join(lines)


def drop_in(header: str, home: str) -> str:
    """What the unit of one person adds to the template: it cannot know the home."""
    path = home.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    reason = "A key that a notebook adds would open a way around its sandbox."
    return f'# {header}\n# {reason}\n[Service]\nReadOnlyPaths="-{path}/.ssh"\n'


def shown(text: str) -> str:
    """The end of what somebody's program has written, fit for an operator's terminal."""
    # What systemd starts again writes the same again. Of each line the last one stays.
    lines = list(dict.fromkeys(reversed(text.rstrip("\n").split("\n"))))[JOURNAL_LINES - 1 :: -1]
    return "\n".join(in_one_line(line[:LINE_CHARACTERS]) for line in lines)


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


def parse_groups(status: str) -> frozenset[int]:
    """The groups that a process is in, from the text of its C(/proc/PID/status) (proc(5))."""
    found: set[int] = set()
    for line in status.splitlines():
        key, _colon, value = line.partition(":")
        if key in ("Gid", "Groups"):
            found.update(map(int, value.split()))
    return frozenset(found)
