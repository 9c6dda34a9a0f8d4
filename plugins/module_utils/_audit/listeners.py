# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on this host, and was not told to. Private to this collection.

Everyday life is: people's programs on loopback, services of packages on loopback, and the few that a fresh Debian has elsewhere.
Who listens where, and which file a process runs, is the kernel's word (proc_pid_net(5), proc_pid_exe(5)). What a process calls
itself (its command line) only adds a word to a finding, but for sshd, which writes there itself what it is.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import os
import re
import stat
import time
import typing as t
from collections.abc import Iterable, Iterator

from .._host import listening
from .._host.numbers import FIRST_PERSON, NOBODY
from .._text.escapes import in_one_line
from .declared import Declared
from .finding import Finding, Severity
from .host import DOCKER_RESOLVER, Host, accounts
from .host import names as names_of
from .owners import packaged

TOPIC = "listeners"

# Of a table only UDP and its kin know no listening: a socket that is bound and not connected is in TCP_CLOSE
# (include/net/tcp_states.h). One that is connected is somebody's client.
BOUND = "07"
PROTOCOLS = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6")
TABLE_LIMIT = 64 << 20
# The kernel's own choice of ports where a program asks for any (ip(7), ip_local_port_range).
RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
DEFAULT_RANGE = (32768, 60999)
JUPYTER_PORTS = "/etc/lab-jupyter.json"

# Accounts that systemd makes up for a service (systemd.exec(5), DynamicUser).
DYNAMIC = range(61184, 65520)

SSHD = "/usr/sbin/sshd"
SSHD_UNITS = re.compile(r"sshd?(@.*)?\.service|research-server-sshd-.*\.service")
SSHD_SOCKETS = re.compile(r"sshd?\.socket|research-server-sshd-.*\.socket")
# sshd(8): do not detach, log to standard error, one family only, be quiet. All others could give it other files, ports or keys.
SSHD_OPTIONS = frozenset({"-D", "-e", "-4", "-6", "-q"})
# What sshd makes of its own command line while it listens (sshd.c, setproctitle).
SSHD_TITLE = re.compile(r"^sshd: (?P<arguments>.*?) \[listener\] ")

# What a Debian has on other addresses than loopback before anybody asks for anything: it waits for answers of DHCP, NTP, LLMNR,
# mDNS and routers. (protocol, port) -> programs. Of `raw` the port is the protocol in the IP header.
DHCP = frozenset({"dhclient", "dhcpcd", "systemd-networkd", "NetworkManager", "udhcpc"})
FRESH: dict[tuple[str, int], frozenset[str]] = {
    ("udp", 68): DHCP,
    ("udp", 546): DHCP,
    ("raw", 58): DHCP,
    ("udp", 123): frozenset({"ntpd"}),
    ("tcp", 5355): frozenset({"systemd-resolved"}),
    ("udp", 5355): frozenset({"systemd-resolved"}),
    ("udp", 5353): frozenset({"systemd-resolved", "avahi-daemon"}),
}
# What listens for the containers and virtual machines of its service: program -> units.
FOR_GUESTS = {
    "docker-proxy": frozenset({"docker.service"}),
    "dnsmasq": frozenset({"libvirtd.service", "virtnetworkd.service", "lxc-net.service"}),
}
# Programs of packages that do whatever they are told: to be a package's says nothing.
TOOLS = re.compile(
    r"(python|pypy|perl|ruby|php|lua|node|guile|tclsh)[0-9.]*|(busy|toy)box|(da|ba|z|k|fi|tc)?sh|n?cat|nc(\.\w+)?|socat|g?awk"
)
ANYBODYS = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/home/")  # noqa: S108  looked for, not written to
JUPYTER = re.compile(r"(^|/)(jupyter([-_](lab|notebook|server|nbclassic))?|jupyterlab|notebook|lab-jupyter)$")
ARGUMENTS = 64
DELETED = " (deleted)"
# Whom hold() looks at last.
LAST = 2

SYSTEMCTL = "/usr/bin/systemctl"
UNIT_FOLDERS = ("/usr/lib/systemd/system", "/lib/systemd/system")
# Before those (systemd.unit(5), "Unit File Load Path").
OWN_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/run/systemd/transient", "/usr/local/lib/systemd/system")


class Socket(t.NamedTuple):
    protocol: str
    address: str
    port: int
    uid: int
    inode: int

    @property
    def plain(self) -> str:
        """TCP is TCP over IPv6, too."""
        return self.protocol.removesuffix("6")

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback

    def place(self, port: object) -> str:
        return f"[{self.address}]:{port}" if ":" in self.address else f"{self.address}:{port}"


class Process(t.NamedTuple):
    """Who has a socket open. `exe` is the path without its mark, empty where there is no such process."""

    pid: int = 0
    exe: str = ""
    deleted: bool = False
    arguments: tuple[str, ...] = ()
    unit: str = ""
    uid: int = 0

    @property
    def program(self) -> str:
        return os.path.basename(self.exe) or "a program"

    @property
    def jupyter(self) -> bool:
        return any(JUPYTER.search(argument) for argument in self.arguments[:ARGUMENTS])


class Fault(t.NamedTuple):
    """Why a listener is a finding; nothing expected means that it is none."""

    what: str = ""
    expected: str = ""
    way_out: str = ""
    severity: Severity = "error"


RIGHT = Fault()


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    view = View(host, declared)
    sockets = [found for found in read(host) if not view.everyday(found)]
    holders = with_socket_units(host, hold(host, sockets))
    view.ask(holders.values())
    # Several sockets of one program may have one place (SO_REUSEPORT).
    yield from dict.fromkeys(filter(None, (view.judge(found, holders[found]) for found in sockets)))
    yield from view.others_sshd()
    yield from view.abstract()


class View:
    """What is declared and known about this host."""

    def __init__(self, host: Host, declared: Declared) -> None:
        self.host, self.declared = host, declared
        people = [account for account in accounts(host) if _person(account.uid)]
        self.names = names_of(host)
        self.others_folders = (*ANYBODYS, *(f"{person.home.rstrip('/')}/" for person in people if person.home.strip("/")))
        self.own_choice = _range(host.text(RANGE) or "")
        self.open = tuple(_open_port(text) for text in declared.open_ports)
        self.jupyter = _jupyter_owners(host.text(JUPYTER_PORTS) or "")
        self.packaged: frozenset[str] = frozenset()

    def owner(self, uid: int) -> str:
        return self.names.get(uid, f"uid {uid}")

    def everyday(self, socket: Socket) -> bool:
        """What needs no second look: a port that people hold on loopback, but for that of a JupyterLab."""
        if not _person(socket.uid):
            return False
        if socket.plain == "tcp" and socket.port in self.declared.jupyter_ports:
            return socket.loopback and self.jupyter.get(socket.port, self.owner(socket.uid)) == self.owner(socket.uid)
        return socket.loopback or self.client(socket)

    def chosen(self, port: int) -> bool:
        return self.own_choice[0] <= port <= self.own_choice[1]

    def client(self, socket: Socket) -> bool:
        """A port that the kernel chose, of a protocol without connections: somebody has asked and waits for an answer."""
        return socket.plain.startswith("udp") and self.chosen(socket.port)

    def ask(self, processes: Iterable[Process]) -> None:
        """Which of these programs, and of their units' files, packages brought."""
        self.packaged = packaged(self.host, {path for item in processes for path in (item.exe, *self._unit_files(item.unit))})

    def _unit_files(self, unit: str) -> list[str]:
        """Those of packages that may have made a unit, templates included; nothing where a file of the host takes their place."""
        names = [unit, re.sub(r"@.*(\.\w+)$", r"@\1", unit)] if unit else []
        own = (self.host.status(f"{folder}/{name}") for folder in OWN_UNIT_FOLDERS for name in names)
        if any(found is not None and stat.S_ISREG(found.st_mode) for found in own):
            return []
        return [f"{folder}/{name}" for folder in UNIT_FOLDERS for name in names]

    def program(self, process: Process) -> bool:
        """Whether its file is a package's. After an upgrade the old one is gone, and the new one has its name."""
        return process.exe in self.packaged and (not process.deleted or self.host.status(process.exe) is not None)

    def service(self, process: Process) -> bool:
        """A package's program that a package's unit started, or a script of /etc/init.d. Without systemd, any with one task."""
        if not self.program(process):
            return False
        if not process.unit:
            return not TOOLS.fullmatch(process.program)
        script = self.host.status(f"/run/systemd/generator.late/{process.unit}")
        return script is not None or any(path in self.packaged for path in self._unit_files(process.unit))

    def judge(self, socket: Socket, process: Process) -> Finding | None:
        """The first of the rules that knows such a listener says what it is."""
        rules = (self.outside, self.hazard, self.sshd, self.jupyter_port, self.let_in, self.raw, self.of_people, self.of_services)
        fault = next(said for said in (rule(socket, process) for rule in rules) if said is not None)
        return self.tell(socket, process, fault) if fault.expected else None

    def outside(self, socket: Socket, process: Process) -> Fault | None:
        """Docker's resolver has its sockets in the container, and its process elsewhere."""
        elsewhere = not process.pid and socket.address == DOCKER_RESOLVER and self.host.status("/.dockerenv") is not None
        return RIGHT if elsewhere else None

    def hazard(self, socket: Socket, process: Process) -> Fault | None:
        """A program of root whose file anybody can write, or nobody can look at."""
        if 0 not in (socket.uid, process.uid):
            return None
        what = ""
        if process.exe.startswith(self.others_folders):
            what = f"{process.exe} is in a folder that others can write"
        elif process.deleted and not self.program(process):
            what = f"{process.exe} has been deleted while it runs"
        return Fault(what, "root's programs in folders that only root can write", self.stop(process)) if what else None

    def sshd(self, socket: Socket, process: Process) -> Fault | None:
        """The package's own, or systemd in its place, on the ports that are declared."""
        activated = process.pid == 1 and SSHD_SOCKETS.fullmatch(process.unit) is not None
        if socket.uid != 0 or not (activated or process.program == "sshd"):
            return None
        wrong = "" if activated else self.wrong_sshd(process)
        if wrong:
            # The package's own unit, as it is now, may start the right one.
            own = SSHD_UNITS.fullmatch(process.unit)
            way_out = f"systemctl cat {process.unit}, then systemctl restart {process.unit}" if own else self.stop(process)
            return Fault(wrong, f"{SSHD} of the package, started by its unit", way_out)
        ports = self.declared.sshd_ports
        if not ports or socket.port in ports:
            return RIGHT
        return Fault(
            "sshd listens there, too",
            f"sshd on port {', '.join(map(str, ports))}",
            f"sshd_port: {socket.port}, or remove its line ('grep -rniE \"port|listen\" /etc/ssh /etc/systemd/system/ssh*')",
        )

    def wrong_sshd(self, process: Process) -> str:
        options = foreign_options(process.arguments)
        if process.exe != SSHD or SSHD not in self.packaged:
            return f"{process.exe} is not the package's {SSHD}"
        if process.deleted:
            return f"{SSHD} has been replaced since it was started"
        if options:
            return f"it was started with '{' '.join(options)}'"
        return f"it was started by {process.unit}" if process.unit and not SSHD_UNITS.fullmatch(process.unit) else ""

    def jupyter_port(self, socket: Socket, process: Process) -> Fault | None:
        """Who has the port of somebody's JupyterLab gets what is sent there."""
        if socket.plain != "tcp" or socket.port not in self.declared.jupyter_ports:
            return None
        person = self.jupyter.get(socket.port, "somebody")
        # systemd holds it for its server, which it wakes.
        door, server = process.pid == 1, process.uid != 0 and self.owner(process.uid) == person
        if (
            socket.uid == 0
            and socket.loopback
            and process.unit == f"jupyter@{person}.{'socket' if door else 'service'}"
            and (door or server)
        ):
            return RIGHT
        expected = f"only the JupyterLab of {person} has port {socket.port}, on 127.0.0.1"
        return Fault(
            "this is the port of a JupyterLab", expected, f"{self.stop(process)}; systemctl restart jupyter@{person}.service"
        )

    def let_in(self, socket: Socket, _process: Process) -> Fault | None:
        """For what the firewall lets in somebody has to listen."""
        return RIGHT if any(low <= socket.port <= high and socket.plain == plain for low, high, plain in self.open) else None

    def raw(self, socket: Socket, process: Process) -> Fault | None:
        """ping and its kin: a raw socket takes CAP_NET_RAW (raw(7)), which packages give to programs that have one task."""
        if socket.plain != "raw":
            return None
        if self.program(process) and not TOOLS.fullmatch(process.program):
            return RIGHT
        return Fault("it reads all packets of a protocol", "programs of packages have raw sockets", self.stop(process))

    def of_people(self, socket: Socket, process: Process) -> Fault | None:
        if not _person(socket.uid):
            return None
        what = "a JupyterLab that its owner started" if process.jupyter else ""
        return Fault(what, "people's programs listen on 127.0.0.1 or ::1", self.allow(socket, process), "warning")

    def of_services(self, socket: Socket, process: Process) -> Fault:
        known = self.program(process) and (
            process.unit in FOR_GUESTS.get(process.program, ())
            or process.program in FRESH.get((socket.plain, socket.port), ())
            or (self.client(socket) and not TOOLS.fullmatch(process.program))
        )
        service = self.service(process)
        # Whoever reaches dockerd's port is root (Docker, "Protect the Docker daemon socket").
        if known or (service and socket.loopback and process.program != "dockerd"):
            return RIGHT
        expected = "what listens here is declared, or a package's service on loopback"
        way_out = self.stop(process) if socket.loopback else self.allow(socket, process)
        return Fault("", expected, way_out, "warning" if service and process.program != "dockerd" else "error")

    def others_sshd(self) -> Iterator[Finding]:
        """sshds that people run for themselves, wherever they listen: others come in there beside the server's own rules."""
        for pid in pids(self.host):
            if os.path.basename(_link_of(self.host, f"/proc/{pid}/exe").removesuffix(DELETED)) != "sshd":
                continue
            process = describe(self.host, pid)
            title = SSHD_TITLE.match(" ".join(process.arguments)) if process else None
            if process and title and _person(process.uid):
                owner = self.owner(process.uid)
                found = in_one_line(f"{owner} runs an sshd: {title['arguments'][:200]}")
                expected = "one sshd, that of the package, started by its unit as root"
                yield Finding(TOPIC, in_one_line(f"sshd of {owner}"), found, expected, in_one_line(self.stop(process)), "error")

    def abstract(self) -> Iterator[Finding]:
        """Sockets of root's programs without a file, so without rights: everybody may connect (unix(7), "Abstract sockets")."""
        listens = listening.parse_unix(self.host.text("/proc/net/unix", TABLE_LIMIT) or "")
        wanted = {inode for inode, place in listens.items() if place.startswith("@")}
        deadline = time.monotonic() + listening.SECONDS
        for pid in [pid for pid, uid in _running(self.host) if uid == 0] if wanted else ():
            mine = _sockets_of(self.host, pid, deadline) & wanted
            process = describe(self.host, pid) if mine else None
            if process is None:
                continue
            self.ask([process])
            # What a package brought, and is no interpreter of others' programs, is what it seems.
            if (self.program(process) and not TOOLS.fullmatch(process.program)) or self.service(process):
                continue
            for place in sorted({listens[inode] for inode in mine}):
                found = in_one_line(f"{process.exe} ({process.unit}) of root listens on the abstract socket {place}")
                expected = "what listens here is a package's service"
                name = in_one_line(f"unix {place} {process.program} of root")
                yield Finding(TOPIC, name, found, expected, in_one_line(self.stop(process)), "error")

    def tell(self, socket: Socket, process: Process, fault: Fault) -> Finding:
        owner, program = self.owner(socket.uid), process.program
        if process.jupyter and _person(socket.uid):
            program = "jupyter"
        # Which port the kernel chooses is another one each time. sshd never lets it choose.
        port = "ephemeral" if self.chosen(socket.port) and process.program != "sshd" else socket.port
        unit = f" ({process.unit})" if process.unit else ""
        what = f"; {fault.what}" if fault.what else ""
        who = f"{process.exe or 'a program that cannot be seen'}{unit} of {owner}"
        return Finding(
            TOPIC,
            in_one_line(f"{socket.protocol} {socket.place(port)} {program} of {owner}"),
            in_one_line(f"{who} has {socket.protocol} {socket.place(socket.port)}{what}"),
            fault.expected,
            in_one_line(fault.way_out),
            fault.severity,
        )

    def allow(self, socket: Socket, process: Process) -> str:
        if socket.plain not in ("tcp", "udp"):
            return self.stop(process)
        protocol = ", protocol: udp" if socket.plain == "udp" else ""
        return f"firewall_allow: [{{port: {socket.port}{protocol}}}], or {self.stop(process)}"

    @staticmethod
    def stop(process: Process) -> str:
        if process.unit.endswith((".service", ".socket")) and not process.unit.startswith("user@") and not _person(process.uid):
            return f"systemctl disable --now {process.unit}"
        if process.pid == 1:
            return "find its socket unit with 'systemctl list-sockets' and disable that"
        return f"kill {process.pid}" if process.pid else "find it with 'ss -lnp'; NFS and others have such sockets in the kernel"


def read(host: Host) -> list[Socket]:
    """All sockets that wait for others to begin, in the order of their tables."""
    found = []
    for protocol in PROTOCOLS:
        table = host.text(f"/proc/net/{protocol}", TABLE_LIMIT) or ""
        text = table if protocol.startswith("tcp") else _as_listening(table)
        found += [Socket(protocol, item.address, item.port, item.uid, item.inode) for item in listening.parse([text])]
    return found


def _as_listening(table: str) -> str:
    """The bound sockets of a protocol without connections, in the words of one that has them."""
    head, *lines = table.splitlines() or [""]
    rows = (line.split() for line in lines)
    return "\n".join(
        [head, *(" ".join([*row[:3], listening.LISTEN, *row[4:]]) for row in rows if len(row) > 3 and row[3] == BOUND)]
    )


def hold(host: Host, sockets: Iterable[Socket]) -> dict[Socket, Process]:
    """The process that has had each socket open for the longest time, as far as it can be found in some seconds.

    Services first, since they open their sockets as root and then are somebody else; then people who listen, and last the others:
    people can have so many files open that looking through them takes hours.
    """
    sockets = list(sockets)
    wanted = {socket.inode for socket in sockets}
    makers = {socket.uid for socket in sockets}
    turns = {True: LAST - 1, False: LAST}
    queue = sorted((turns[uid in makers] if _person(uid) else 0, pid) for pid, uid in _running(host)) if wanted else []
    oldest: dict[int, tuple[int, int]] = {}
    deadline = time.monotonic() + listening.SECONDS
    for turn, pid in queue:
        if time.monotonic() > deadline or (turn == LAST and oldest.keys() == wanted):
            break
        mine = _sockets_of(host, pid, deadline) & wanted
        age = _started(host, pid) if mine else 0
        for inode in mine:
            oldest[inode] = min(oldest.get(inode, (age, pid)), (age, pid))
    described = {pid: describe(host, pid) for _age, pid in oldest.values()}
    return {socket: described.get(oldest.get(socket.inode, (0, 0))[1]) or Process() for socket in sockets}


def _running(host: Host) -> Iterator[tuple[int, int]]:
    for pid in pids(host):
        uid = _uid(host, pid)
        if uid is not None:
            yield pid, uid


def _sockets_of(host: Host, pid: int, deadline: float) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(OSError), os.scandir(host.path(f"/proc/{pid}/fd")) as entries:
        for entry in itertools.islice(entries, listening.LINKS):
            with contextlib.suppress(OSError, ValueError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
            if time.monotonic() > deadline:
                break
    return found


def with_socket_units(host: Host, holders: dict[Socket, Process]) -> dict[Socket, Process]:
    """The same, of systemd itself with the unit for which it listens (systemd.socket(5))."""
    if not any(process.pid == 1 for process in holders.values()) or host.status(SYSTEMCTL) is None:
        return holders
    listed = host.output(SYSTEMCTL, "list-sockets", "--all", "--full", "--no-legend", "--no-pager")
    units = {words[0]: words[1] for words in map(str.split, listed.splitlines()) if len(words) > 1}
    return {
        socket: process._replace(unit=units.get(socket.place(socket.port), process.unit)) if process.pid == 1 else process
        for socket, process in holders.items()
    }


def pids(host: Host) -> list[int]:
    """Of all processes. Host.names() ends before the last of ten thousand."""
    with contextlib.suppress(OSError):
        return sorted(int(name) for name in os.listdir(host.path("/proc")) if name.isdigit())
    return []


def describe(host: Host, pid: int) -> Process | None:
    exe = _link_of(host, f"/proc/{pid}/exe")
    uid = _uid(host, pid)
    if uid is None:
        return None
    line = (host.text(f"/proc/{pid}/cmdline", 1 << 16) or "").rstrip("\0")
    path = exe.removesuffix(DELETED)
    return Process(pid, path, path != exe, tuple(line.split("\0")), unit_of(host.text(f"/proc/{pid}/cgroup") or ""), uid)


def unit_of(text: str) -> str:
    """The unit in the text of /proc/PID/cgroup (cgroups(7)): the innermost, since people's are inside of user@UID.service."""
    for line in text.splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if controllers in ("", "name=systemd"):
            units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
            if units:
                return units[-1]
    return ""


def foreign_options(arguments: tuple[str, ...]) -> list[str]:
    """With which an sshd may have other files, ports or keys than the one of its unit."""
    line = " ".join(arguments)
    title = SSHD_TITLE.match(line)
    words = (title["arguments"] if title else line).split()
    return [word for word in words[1:] if word not in SSHD_OPTIONS]


def _person(uid: int) -> bool:
    """Also those of containers in a user namespace: subordinate numbers are people's (subuid(5))."""
    return uid >= FIRST_PERSON and uid not in NOBODY and uid not in DYNAMIC


def _range(text: str) -> tuple[int, int]:
    words = text.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 and all(word.isdecimal() for word in words) else DEFAULT_RANGE


def _open_port(text: str) -> tuple[int, int, str]:
    ports, _slash, protocol = text.partition("/")
    low, _dash, high = ports.partition("-")
    return int(low), int(high or low), protocol or "tcp"


def _jupyter_owners(text: str) -> dict[int, str]:
    """Port -> person, of the file that the role `jupyter` writes and compares."""
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError):
        return {int(port): str(name) for name, port in json.loads(text)["ports"].items()}
    return {}


def _uid(host: Host, pid: int) -> int | None:
    """The real one: of a program with the set-user-ID bit it tells who has started it."""
    found = re.search(r"^Uid:\s*(\d+)", host.text(f"/proc/{pid}/status", 1 << 16) or "", re.MULTILINE)
    return int(found[1]) if found else None


def _started(host: Host, pid: int) -> int:
    """In ticks since boot (proc_pid_stat(5), field 22); the name before may hold blanks and brackets."""
    fields = (host.text(f"/proc/{pid}/stat", 1 << 16) or "").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdecimal() else 0


def _link_of(host: Host, path: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(host.path(path))
    return ""
