# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from a host about its JupyterLab services, and done to them. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import grp
import json
import os
import pwd
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._firewall import loopback
from .._host import getent, listening, rights
from .._host.difference import Difference, difference
from .._host.files import put_file, read_file
from .._host.listening import Listener
from .._host.remove_tree import remove_tree
from .._host.runner import Runner
from . import sessions
from .servers import (
    JOURNAL_READ,
    Door,
    Plan,
    Server,
    door_lines,
    name_of,
    parse_groups,
    parse_show,
    shown,
    unit_lines,
)

UNITS = "/etc/systemd/system"
STATE = "/var/lib/jupyter"
PORTS = "/etc/lab-jupyter.json"
SECRETS = ("token", "cookie_secret")
PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,NeedDaemonReload,DropInPaths,MainPID,ControlGroup,ExecMainStartTimestampMonotonic,"
    "StateChangeTimestampMonotonic,NRestarts,Result,Job,InvocationID,SupplementaryGroups,Listen"
)
# The name of each file of ours in a folder of drop-ins.
OURS = "50-research-server.conf"
DOORS = "/run/lab-jupyter"
INIT = 1
POLL_SECONDS = 0.3
REMOVAL_SECONDS = 60.0


def unit(name: str) -> str:
    return f"jupyter@{name}.service"


def door(name: str) -> str:
    return f"jupyter@{name}.socket"


def both(names: t.Iterable[str]) -> list[str]:
    return [of(name) for name in names for of in (door, unit)]


@dataclasses.dataclass(frozen=True)
class Person:
    """One who has a JupyterLab, and what the units are to know of them."""

    account: pwd.struct_passwd
    where: str
    """The place of the door: an address with a port, or the path of a UNIX socket."""
    home: str
    """Whose C(.ssh) is read-only; empty for none."""
    limits: str
    """The text of the unit of all that they run."""
    devices: list[str] | None
    environment: dict[str, str]

    @property
    def slice(self) -> str:
        return f"user-{self.account.pw_uid}.slice"

    def files(self, header: str) -> dict[str, str]:
        name = self.account.pw_name
        texts = {
            unit(name): unit_lines(self.home, self.slice, self.devices, self.environment),
            door(name): door_lines(self.where),
            self.slice: self.limits,
        }
        return {drop_in(of): f"# {header}\n{text}" for of, text in texts.items()}


class Host(Runner):
    """The services of all users of a host."""

    def __init__(self, module: AnsibleModule, header: str, given: t.Mapping[str, tuple[str, int]]) -> None:
        """`given`: by path, the text and the mode of files that the servers are made of."""
        super().__init__(module)
        self.header = header
        self.given = given
        self.sockets: dict[str, Listener] = {}
        self.begun: dict[str, float] = {}
        """When this run has begun to start whose server."""

    def systemctl(self, *arguments: str) -> str:
        return self.run("systemctl", "--no-pager", *arguments)

    def see(self, names: t.Iterable[str]) -> dict[str, Server]:
        """Read the instances that should be there and those that are."""
        enabled = _names(f"{UNITS}/*.wants/jupyter@*.service")
        doors = _names(f"{UNITS}/*.wants/jupyter@*.socket", "socket")
        leftovers = _names(f"{UNITS}/jupyter@*.service.d") | _names(f"{UNITS}/jupyter@*.socket.d", "socket")
        leftovers |= {os.path.basename(path) for path in glob.glob(f"{STATE}/*")}
        wanted = both(sorted({*names, *enabled, *doors}))
        blocks = parse_show(self.systemctl("show", f"--property={PROPERTIES}", "--", *wanted, unit("*"), door("*")))
        self.sockets = {str(found.inode): found for found in listening.read()}
        held = self._held()
        found_doors = {
            name: self._door(block, name in doors, held) for block in blocks if (name := name_of(block["Id"], "socket"))
        }
        # Both clocks are read together: systemd gives times in monotonic time only as a number (systemctl(1), show).
        booted = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        servers = {}
        for block in blocks:
            name = name_of(block["Id"])
            if name is None:
                continue
            pid = int(block["MainPID"])
            server = Server(
                name=name,
                load=block["LoadState"],
                active=block["ActiveState"],
                sub=block["SubState"],
                enabled=name in enabled,
                reload=block["NeedDaemonReload"] == "yes",
                pid=pid,
                started=_when(booted, block, "ExecMainStartTimestampMonotonic"),
                processes=_processes(block.get("ControlGroup", "")),
                listeners=tuple(sorted((socket.address, socket.port) for socket in self._sockets_of(pid))),
                leftovers=name in leftovers,
                overridden=newest(block.get("DropInPaths", "").split()),
                since=_when(booted, block, "StateChangeTimestampMonotonic"),
                restarts=int(block.get("NRestarts") or 0),
                result=block.get("Result", "success"),
                job=bool(block.get("Job")),
                invocation=block.get("InvocationID", ""),
                regrouped=_regrouped(name, pid, block.get("SupplementaryGroups", "").split()),
                door=found_doors.get(name, Door()),
            )
            there = server.enabled or server.leftovers or server.active != "inactive" or server.door.active != "inactive"
            if name in names or there or server.door.enabled:
                servers[name] = server
        for name in leftovers - set(servers) - set(names):
            servers[name] = Server(name, leftovers=True)
        return servers

    def _held(self) -> set[str]:
        """The places where systemd itself listens. Neither what its files say, nor a socket's file, proves that it does."""
        listens = listening.read_unix()
        with contextlib.suppress(OSError):
            paths = {listens[inode] for inode in listening.inodes(INIT) if inode in listens}
            return paths | {socket.place for socket in self._sockets_of(INIT)}
        return set()

    @staticmethod
    def _door(block: t.Mapping[str, str], enabled: bool, held: t.Collection[str]) -> Door:
        """A socket unit."""
        told = tuple(line.rpartition(" (")[0] for line in block.get("Listen", "").splitlines())
        return Door(
            load=block["LoadState"],
            active=block["ActiveState"],
            enabled=enabled,
            reload=block["NeedDaemonReload"] == "yes",
            told=told,
            held=tuple(where for where in told if where in held),
        )

    def settle(self, names: t.Collection[str], seconds: float) -> dict[str, Server]:
        """What is there once nobody's server is still starting, or time is up for all of them together."""
        begin = time.monotonic()
        restarts: dict[str, int] = {}
        while True:
            seen, waited = self.see(names), time.monotonic() - begin
            restarts = {name: server.restarts for name, server in seen.items()} | restarts
            coming = any(
                server.coming(time.time(), seconds, waited, tried=server.restarts > restarts[name])
                for name, server in seen.items()
                if name in names
            )
            if not coming or waited > seconds:
                return seen
            time.sleep(POLL_SECONDS)

    def remove(self, names: t.Collection[str]) -> list[str]:
        """Stop and remove the servers of people who are no longer users. Returns what could not be done."""
        if not names:
            return []
        self.attempt("systemctl", "stop", "--", *both(names))
        problems = []
        for name in names:
            # One by one: what is wrong with one unit must not keep another enabled.
            for of in both([name]):
                self.attempt("systemctl", "disable", "--", of)
            if self.attempt("systemctl", "is-active", "--quiet", "--", unit(name))[0] == 0:
                problems.append(f"{name}: found {unit(name)} still running; expected it to stop; stop it by hand")
                continue
            for path in (*(f"{UNITS}/{of}.d" for of in both([name])), f"{STATE}/{name}"):
                wrong = remove_tree(path, REMOVAL_SECONDS)
                if wrong:
                    problems.append(f"{name}: {wrong}; expected nothing to be left of a former user; remove it by hand")
        # Whose account and home went first has a service that failed meanwhile: systemd would remember it for ever.
        self.attempt("systemctl", "reset-failed", "--", *both(names))
        self.systemctl("daemon-reload")
        return problems

    def files(self, told: t.Mapping[str, t.Any], people: t.Iterable[Person]) -> dict[str, str]:
        """Path -> text, of what the services and their owners read and is not so yet. No text: no file.

        `told`: what the program of the owners is to know.
        """
        found = {PORTS: f"{json.dumps(told, indent=4, sort_keys=True)}\n"}
        # Of those who have left, whatever their account was; what is another's in there stays.
        found |= dict.fromkeys(glob.glob(f"{UNITS}/user-[0-9]*.slice.d/{OURS}"), "")
        everybody = list(people)
        found |= sessions.files(self.header, bool(everybody))
        for person in everybody:
            found |= person.files(self.header)
        found |= {path: text for path, (text, _mode) in self.given.items()}
        return {path: text for path, text in found.items() if (read_file(path) or "") != text}

    def rights(self, people: t.Iterable[Person]) -> list[rights.Fault]:
        """Who else could change what the services read, or read what is somebody's secret."""
        files = [PORTS, sessions.LOGIND, loopback.RULES, loopback.UNIT, *(path for person in people for path in person.files(""))]
        modes = {path: mode for path, (_text, mode) in self.given.items()}
        found = rights.faults({**dict.fromkeys(files, 0o644), **modes}, [STATE])
        for person in people:
            account = person.account
            found += rights.private_faults(f"{STATE}/{account.pw_name}", SECRETS, (account.pw_uid, account.pw_gid))
        return found

    @staticmethod
    def differences(files: t.Mapping[str, str]) -> list[Difference]:
        return [difference(path, read_file(path) or "", text) for path, text in sorted(files.items())]

    def write(self, files: t.Mapping[str, str]) -> None:
        for path, text in files.items():
            if text:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                put_file(*os.path.split(path), text, self.given.get(path, (text, 0o644))[1])
            else:
                os.unlink(path)
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.dirname(path))
        if any(path.startswith(UNITS) for path in files):
            self.systemctl("daemon-reload")
        if sessions.LOGIND in files:
            self.attempt("systemctl", "kill", "--signal=HUP", sessions.LOGIND_UNIT)

    @staticmethod
    def with_files(server: Server, files: t.Mapping[str, str]) -> Server:
        """A server of which a file has just changed, or would in check mode, is out of date."""
        return dataclasses.replace(server, overridden=time.time()) if drop_in(unit(server.name)) in files else server

    def begin(self, plan: Plan) -> None:
        """Start what is to be started, without waiting: one that hangs would hold the others up. What fails is seen later."""
        if plan.unmask:
            self.attempt("systemctl", "unmask", "--", *both(plan.unmask))
        if plan.reload:
            self.systemctl("daemon-reload")
        if plan.disable:
            self.attempt("systemctl", "disable", "--", *map(unit, plan.disable))
        if plan.enable:
            self.attempt("systemctl", "enable", "--", *map(door, plan.enable))
        self.begun |= dict.fromkeys([*plan.doors, *plan.begin], time.time())
        if plan.doors:
            # All are closed before the first is opened: two people may swap their ports. And a socket does not open beside
            # its running service.
            self.attempt("systemctl", "stop", "--", *both(plan.doors))
            self.attempt("systemctl", "reset-failed", "--", *both(plan.doors))
            self.attempt("systemctl", "start", "--", *map(door, plan.doors))
        if plan.begin:
            units = [unit(name) for name in plan.begin]
            self.attempt("systemctl", "reset-failed", "--", *units)
            self.attempt("systemctl", "restart", "--no-block", "--", *units)

    def stop(self, name: str) -> None:
        self.attempt("systemctl", "stop", "--", *both([name]))

    def journal(self, server: Server) -> str:
        """The end of what the service itself wrote, without systemd's account of each attempt (systemd.journal-fields(7)).

        What it wrote before it was started, by this run or at all, is about something else; and it may be all that there is: who
        writes too much is not listened to for a while (journald.conf(5), RateLimitBurst=).
        """
        match = [f"_SYSTEMD_UNIT={unit(server.name)}"]
        if server.invocation and not server.restarts:
            match.append(f"_SYSTEMD_INVOCATION_ID={server.invocation}")
        if server.name in self.begun:
            match.append(f"--since=@{self.begun[server.name]:.3f}")
        # On a busy host the journal is behind what was written.
        self.attempt("journalctl", "--sync")
        return shown(self.attempt("journalctl", *match, "-n", str(JOURNAL_READ), "-o", "cat", "--no-pager")[1]) or "(nothing yet)"

    def holder(self, inode: str) -> tuple[str, str, int]:
        """Who has a socket: account, program and number of the process; 0 if that cannot be found."""
        socket = self.sockets[inode]
        account = getent.user(socket.uid) or f"account {socket.uid}"
        for found in listening.holders_of({int(inode): socket.uid})[int(inode)]:
            return account, shown(_read(f"/proc/{found.pid}/comm")), found.pid
        return account, "a program", 0

    def _sockets_of(self, pid: int) -> list[Listener]:
        """Where a process listens. Other programs on the same port do not count."""
        with contextlib.suppress(OSError):
            return [self.sockets[str(inode)] for inode in listening.inodes(pid) if str(inode) in self.sockets] if pid else []
        return []


def drop_in(of: str) -> str:
    """Our file beside a unit."""
    return f"{UNITS}/{of}.d/{OURS}"


def newest(paths: t.Iterable[str]) -> float:
    """When the last of the files or links was written; what does not exist does not count."""
    return max((os.lstat(path).st_mtime for path in paths if os.path.lexists(path)), default=0.0)


def _when(booted: float, block: t.Mapping[str, str], key: str) -> float:
    """A time since the epoch; 0 for never."""
    microseconds = int(block.get(key) or 0)
    return booted + microseconds / 1e6 if microseconds else 0.0


def _names(pattern: str, kind: str = "service") -> set[str]:
    found = (name_of(os.path.basename(path).removesuffix(".d"), kind) for path in glob.glob(pattern))
    return {name for name in found if name}


def _processes(group: str) -> int | None:
    """How many processes run in a control group and those below it; None if that cannot be read (cgroups(7))."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
        if group and os.path.isfile(f"{root}{group}/cgroup.procs"):
            return sum(
                len(_read(os.path.join(folder, "cgroup.procs")).split()) for folder, unused, unused in os.walk(f"{root}{group}")
            )
    return None


def _regrouped(name: str, pid: int, more: t.Iterable[str]) -> bool:
    """Whether a process is in other groups than a new one of its owner would be; `more` are those that the unit adds."""
    try:
        account = pwd.getpwnam(name)
        wanted = {*os.getgrouplist(name, account.pw_gid), *(grp.getgrnam(group).gr_gid for group in more)}
    except KeyError:
        return False
    groups = parse_groups(_read(f"/proc/{pid}/status")) if pid else frozenset()
    return bool(groups) and groups != wanted


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
