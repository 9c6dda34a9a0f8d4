# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the JupyterLab services of a host need, from what was seen. Pure. Private to this collection.

Each has a door, a socket that systemd holds for it: there it is woken, and while it sleeps nobody else can have its place.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .._host.listening import Listener
from .._text.escapes import in_one_line

UNIT = re.compile(r"jupyter@(?P<name>.+)\.(?P<kind>service|socket)")
# Who listens on one of these keeps a server from 127.0.0.1. An IPv6 socket may be for IPv6 alone; that cannot be seen.
IN_THE_WAY = ("127.0.0.1", "0.0.0.0", "::")  # noqa: S104  compared with, not listened on
# Seconds that a server gets which has ended by itself since it was last told to start: it will most likely do so again.
PATIENCE = 20.0
JOURNAL_LINES, LINE_CHARACTERS = 8, 200
# Of the journal, to find as many that differ.
JOURNAL_READ = 60

Place = tuple[str, int]
"""Address and port."""


def place_of(where: str) -> Place | None:
    """The address and the port of where a socket listens; none of a UNIX socket."""
    address, colon, port = where.rpartition(":")
    return (address.strip("[]"), int(port)) if colon and port.isdigit() else None


@dataclass(frozen=True)
class Door:
    """The socket unit of one server, as it was seen."""

    load: str = "not-found"
    active: str = "inactive"
    enabled: bool = False
    reload: bool = False
    told: tuple[str, ...] = ()  # where its files have it listen, as systemd writes it
    held: tuple[str, ...] = ()  # where systemd listens for it

    def opens(self, where: str) -> bool:
        return self.active == "active" and self.told == self.held == (where,)

    def describe(self) -> str:
        where = ", ".join(self.held) if self.active == "active" and self.held else self.active
        return f"{where}, {'enabled' if self.enabled else 'disabled'}{', masked' if self.load == 'masked' else ''}"


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
    door: Door = Door()

    @property
    def runs(self) -> bool:
        """And serves: it has said that it is ready."""
        return self.active == "active" and self.pid > 0

    @property
    def sleeps(self) -> bool:
        """Not started yet, or ended of its own accord: the door wakes it."""
        return self.active == "inactive" and self.load == "loaded" and self.result == "success" and not self.job

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

    def coming(self, now: float, seconds: float, waited: float, *, tried: bool = False) -> bool:
        """Whether to wait for it. What its owner has written may make it sleep or end for ever: a run does not wait long then.

        `tried`: systemd has started it again meanwhile. What it failed for before that may be mended by now.
        """
        if self.load != "loaded" or not (self.moves or self.job):
            return False
        if not self.restarts:
            return now - self.since < seconds
        # Not "auto-restart-queued", which systemd has from 255 on: counted already, and not begun yet.
        failing = self.sub == "auto-restart" and self.result != "success"
        return not (failing and tried) and now - self.since < PATIENCE and waited < PATIENCE

    def serves(self, where: str) -> bool:
        """Whether it listens there, as far as can be seen: which UNIX sockets a process has, is not written anywhere."""
        place = place_of(where)
        return self.runs and not self.exposed and (place in self.listeners if place else not self.listeners)

    def describe(self) -> str:
        state = self.active if self.sub in ("dead", "running", self.active) else f"{self.active} ({self.sub})"
        state = "asleep" if self.sleeps else state
        more = f" on {', '.join(self.exposed)}" if self.runs and self.exposed else ""
        more += ", masked" if self.load == "masked" else ""
        return f"{state}{more}; door {self.door.describe()}"


@dataclass
class Plan:
    """Names, each in alphabetical order."""

    reload: bool = False
    unmask: list[str] = field(default_factory=list)
    enable: list[str] = field(default_factory=list)
    """Their doors, so that they are there after the next boot."""
    disable: list[str] = field(default_factory=list)
    """Their services, which earlier versions started at boot."""
    start: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)
    doors: list[str] = field(default_factory=list)
    """Those of whom the door is opened anew before."""
    pending: dict[str, str] = field(default_factory=dict)
    """Name -> why it is out of date."""
    remove: list[str] = field(default_factory=list)

    @property
    def begin(self) -> list[str]:
        return sorted({*self.start, *self.restart})

    @property
    def changed(self) -> bool:
        return any((self.reload, self.unmask, self.enable, self.disable, self.start, self.restart, self.remove))

    def leave_out(self, names: Iterable[str]) -> None:
        """Start none of them."""
        for some in (self.start, self.restart, self.doors):
            some[:] = [name for name in some if name not in names]


def make_plan(places: Mapping[str, str], seen: Mapping[str, Server], changed_at: float, restart: str) -> Plan:
    """Compare the servers that there should be, each with the place where it listens, with those that were seen.

    One that sleeps is as it should be if its door is: it will be of date when it wakes. What is opened for the first time, or
    repaired, is started, which proves it.

    A server that was started before `changed_at`, that listens elsewhere, or whose owner is in other groups by now, is out of
    date. `restart` says what becomes of it: C(idle) restarts it if nothing runs in it, C(always) restarts it, C(never) only
    reports it. If all sleep since then, one of them is started, to prove what has changed.
    """
    plan = Plan(remove=sorted(set(seen) - set(places)))
    for name, where in sorted(places.items()):
        server = seen.get(name, Server(name))
        plan.reload |= server.reload or server.door.reload
        if "masked" in (server.load, server.door.load):
            plan.unmask.append(name)
        if not server.door.enabled:
            plan.enable.append(name)
        if server.enabled:
            plan.disable.append(name)
        _judge(plan, server, where, changed_at, restart)
    started = {name: seen[name].started for name in places if name in seen}
    asleep = [name for name in started if seen[name].sleeps and name not in plan.begin]
    if asleep and not plan.begin and 0 < max(started.values()) < changed_at and not plan.pending and restart != "never":
        plan.start.append(min(asleep))
    return plan


def _judge(plan: Plan, server: Server, where: str, changed_at: float, restart: str) -> None:
    """What is to be done with one server and its door."""
    why = _out_of_date(server, where, changed_at)
    opens = server.door.opens(where)
    if server.active == "activating" and server.sub.startswith("start") and server.pid:
        # Nothing runs in it yet.
        if (why or not opens) and restart != "never":
            plan.restart.append(server.name)
    elif not server.runs:
        # What ends again and again for want of its door, systemd alone does not repair.
        in_vain = server.sub.startswith("auto-restart") and not opens
        if (in_vain or not server.moves) and not (server.sleeps and opens):
            plan.start.append(server.name)
    elif server.exposed:
        plan.restart.append(server.name)
    elif why or not opens:
        if restart == "always" or (restart == "idle" and server.idle):
            plan.restart.append(server.name)
        else:
            plan.pending[server.name] = why or "systemd does not hold its door"
    if not opens and server.name in (*plan.start, *plan.restart):
        plan.doors.append(server.name)


def _out_of_date(server: Server, where: str, changed_at: float) -> str:
    """Why a server that runs is not what it would be if it were started now; empty if it is."""
    reasons = {
        "its environment or its unit has changed": server.started < max(changed_at, server.overridden),
        "it has another place to listen now": server.runs and not server.serves(where),
        "its owner is in other groups now": server.regrouped,
    }
    return ", ".join(reason for reason, holds in reasons.items() if holds)


def taken(
    places: Mapping[str, str], plan: Plan, seen: Mapping[str, Server], sockets: Mapping[str, Listener], guarded: bool
) -> dict[str, str]:
    """The users whose door is to be opened, and whose port somebody else has -> the socket in the way.

    Servers that this plan stops are not in the way: two users may swap their ports. `guarded`: nobody else can be
    reached on that port. If not, one who listens on another address matters, too: the token may be sent there.
    """
    leaving = {*plan.doors, *plan.remove}
    found = {}
    for name in plan.doors:
        place = place_of(places[name])
        ours = {place for other, server in seen.items() if other == name or other in leaving for place in _places(server)}
        for inode, stranger in sorted(sockets.items()):
            matters = not guarded or stranger.address in IN_THE_WAY
            if place and stranger.port == place[1] and matters and (stranger.address, stranger.port) not in ours:
                found[name] = inode
                break
    return found


def _places(server: Server) -> Iterator[Place]:
    yield from server.listeners
    yield from filter(None, map(place_of, server.door.held))


def describe(names: Iterable[str], servers: Mapping[str, Server]) -> str:
    """One line for each name, for a diff."""
    return "".join(f"{name}: {servers[name].describe() if name in servers else 'absent'}\n" for name in sorted(names))


def describe_wanted(places: Mapping[str, str], seen: Mapping[str, Server], plan: Plan) -> str:
    """What :func:`describe` will say once the plan has been carried out."""
    lines = []
    for name in sorted({*places, *seen}):
        if name in plan.remove:
            text = "absent"
        elif name in plan.begin:
            text = f"active; door {places[name]}, enabled"
            text += " (restarted)" if name in plan.restart else ""
        else:
            text = seen[name].describe() if name in seen else "absent"
            text = text.replace("disabled", "enabled") if name in plan.enable else text
            text = text.replace(", masked", "") if name in plan.unmask else text
        lines.append(f"{name}: {text}\n")
    return "".join(lines)


def unit_lines(home: str, slice_unit: str, devices: Iterable[str] | None, environment: Mapping[str, str]) -> str:
    """What the unit of one person adds to the template, which cannot know the home, the uid, nor which GPUs are whose.

    `home`: whose C(.ssh) is read-only; empty for none. `devices`: in place of the template's; None leaves those.
    """
    lines = ["[Service]", f"Slice={slice_unit}"]
    if home:
        lines += ["# A key that a notebook adds would open a way around its sandbox.", f"ReadOnlyPaths={quoted(f'-{home}/.ssh')}"]
    if devices is not None:
        lines += ["DeviceAllow=", *(f"DeviceAllow={quoted(device)} rw" for device in devices)]
    lines += [f"Environment={quoted(f'{name}={value}')}" for name, value in environment.items()]
    return "".join(f"{line}\n" for line in lines)


def door_lines(where: str) -> str:
    """What the socket unit of one person adds to the template."""
    return f"[Socket]\nListenStream={where}\n"


def quoted(text: str) -> str:
    """As one word of a unit file (systemd.syntax(7))."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def shown(text: str) -> str:
    """The end of what somebody's program has written, fit for an operator's terminal."""
    # What systemd starts again writes the same again. Of each line the last one stays.
    lines = list(dict.fromkeys(reversed(text.rstrip("\n").split("\n"))))[JOURNAL_LINES - 1 :: -1]
    return "\n".join(in_one_line(line[:LINE_CHARACTERS]) for line in lines)


def parse_show(text: str) -> list[dict[str, str]]:
    """The units in the output of C(systemctl show): blocks of KEY=VALUE, apart by an empty line.

    What a unit has several times, such as the places where a socket listens, is one value of several lines.
    """
    units: dict[str, dict[str, str]] = {}
    for block in text.split("\n\n"):
        unit: dict[str, str] = {}
        for line in block.splitlines():
            key, equals, value = line.partition("=")
            if equals:
                unit[key] = f"{unit[key]}\n{value}" if key in unit else value
        if unit.get("Id"):
            units[unit["Id"]] = unit
    return list(units.values())


def name_of(unit: str, kind: str = "service") -> str | None:
    """The NAME of C(jupyter@NAME.service), or of its socket; nothing for other units."""
    match = UNIT.fullmatch(unit)
    return match.group("name") if match and match.group("kind") == kind else None


def parse_groups(status: str) -> frozenset[int]:
    """The groups that a process is in, from the text of its C(/proc/PID/status) (proc(5))."""
    found: set[int] = set()
    for line in status.splitlines():
        key, _colon, value = line.partition(":")
        if key in ("Gid", "Groups"):
            found.update(map(int, value.split()))
    return frozenset(found)
