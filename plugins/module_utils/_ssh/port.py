# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How nobody but root can ever listen on sshd's ports, and in which order that is had. Pure. Private to this collection.

Whoever may bind a port takes it in the moment in which sshd closes and binds it again: at a reload, a restart, a crash, a boot.
Two things prevent that.

- The kernel lets only root listen below C(net.ipv4.ip_unprivileged_port_start) (ip(7)), 1024 as it comes. It is raised above
  sshd's ports where that takes few ports away from others.
- systemd holds the port in a socket unit (systemd.socket(5)) and hands it to sshd. The port is then never free. That is done for
  high ports, where the kernel's limit cannot be set (in some containers), and where nothing but a socket starts sshd.

While sockets change hands the kernel's limit covers the port in any case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from .._host.listening import Holders, Listener, describe

START = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
START_KEY = "net.ipv4.ip_unprivileged_port_start"
DEFAULT_START = 1024
# Above it too many programs of people would lose their ports (TensorBoard, Dask, web servers under development).
HIGHEST_COVERED = 2999
# Sorts after 99-sysctl.conf: of several files the last one counts (sysctl.d(5)).
SYSCTL = "/etc/sysctl.d/zz-research-server-sshd.conf"
# sshd's own default; the firewall decides who may come.
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104
UNITS = "/etc/systemd/system"
WANTS = f"{UNITS}/sockets.target.d/research-server-sshd.conf"
OWN_SOCKET = re.compile(r"research-server-sshd-(\d+)\.socket")
# Where an earlier version of this collection had systemd listen.
OLD_OVERRIDES = tuple(f"{UNITS}/{name}.d/zz-research-server.conf" for name in ("ssh.socket", "sshd.socket"))
# systemd 256 and newer makes sockets for sshd of its own accord, in the file system and for the host of a virtual machine
# (systemd-ssh-generator(8)). An empty file of the same name takes a generator's place (systemd.generator(7)).
GENERATOR = "systemd-ssh-generator"
GENERATORS = "/usr/lib/systemd/system-generators"
NO_GENERATOR = f"/etc/systemd/system-generators/{GENERATOR}"
GENERATED = ("sshd-unix-local.socket", "sshd-unix-export.socket", "sshd-vsock.socket")

RESTART = """\
# {header}
# sshd comes back whatever it ended with, and however often.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=1s
RestartPreventExitStatus=
"""
SOCKET = """\
# {header}
# systemd holds the port, so that nobody can take it while sshd restarts; also when sshd does not stay up for a while.
[Unit]
Description=SSH on port {port}
Before=sockets.target
After=research-server-sshd-undo-at-boot.service
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run

[Socket]
{listen}
BindIPv6Only=ipv6-only
FreeBind=yes
TriggerLimitIntervalSec=0
Service={service}
"""


class Ports(NamedTuple):
    """What the host says about sshd's ports."""

    service: str
    """Unit of sshd."""
    told: tuple[int, ...]
    """Where sshd, or systemd for it, is told to listen."""
    addresses: frozenset[tuple[str, int]] = frozenset()
    """The same with addresses."""
    listeners: tuple[Listener, ...] = ()
    """Everything that listens."""
    holders: Mapping[int, Sequence[tuple[int, str, int]]] = {}
    sockets: tuple[str, ...] = ()
    """Active socket units that hand their ports to sshd."""
    enabled: bool = True
    """Whether sshd is started at boot, and not only by a socket."""
    inherits: bool = False
    """Whether this host's sshd can take ports from systemd."""
    ipv6: bool = True
    start: int = DEFAULT_START
    """First port on which everybody may listen."""
    settable: bool = True
    """Whether that can be changed here."""
    own_start: int | None = None
    """What our own file of sysctl.d says."""
    other_starts: Mapping[str, int] = {}
    """What the others say, the one that counts last: file and line -> value."""
    generator: bool = False
    generated: tuple[str, ...] = ()
    """Sockets that systemd made for sshd of its own accord."""


class Phase(NamedTuple):
    """How the ports shall be held at one moment, and what to stop for that."""

    ports: tuple[int, ...]
    start: int | None
    """First port for everybody; None: left alone."""
    sockets: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()


def is_sshd(listener: Listener, holders: Holders) -> bool:
    """Whether this socket is root's, and sshd or systemd has it."""
    return listener.uid == 0 and any(
        holder.uid == 0 and (holder.pid == 1 or holder.program == "sshd") for holder in holders.get(listener.inode, ())
    )


def intruders(listeners: Iterable[Listener], holders: Holders, ports: Collection[int]) -> list[str]:
    """Who but sshd listens on these ports, for a message."""
    return [
        describe(found, holders.get(found.inode, ()))
        for found in listeners
        if found.port in ports and not is_sshd(found, holders)
    ]


def held(listeners: Iterable[Listener], holders: Holders) -> set[tuple[str, int]]:
    """The addresses and ports on which sshd, or systemd for it, listens."""
    return {(found.address, found.port) for found in listeners if is_sshd(found, holders)}


def silent(wanted: Iterable[tuple[str, int]], listeners: Iterable[Listener], holders: Holders, *, ipv6: bool) -> list[str]:
    """Where sshd should listen and does not."""
    there = held(listeners, holders)
    # One socket of IPv6 may serve IPv4, too (ipv6(7), IPV6_V6ONLY).
    there |= {(ANY_ADDRESS[0], port) for address, port in there if address == ANY_ADDRESS[1]}
    missing = {place for place in wanted if place not in there and (ipv6 or ":" not in place[0])}
    return sorted(f"{address} port {port}" for address, port in missing)


def answers_at(address: str, *, loopback6: bool) -> str:
    """Where a program on this host finds what listens on this address.

    Without ::1 on the loopback interface, what listens on all of IPv6 serves IPv4, or nobody.
    """
    return dict(zip(ANY_ADDRESS, ("127.0.0.1", "::1" if loopback6 else "127.0.0.1"))).get(address, address)


def covered(ports: Iterable[int]) -> int:
    """The first port that is left to everybody when these belong to root."""
    return max((port + 1 for port in ports), default=0)


def by_systemd(host: Ports, ports: Sequence[int]) -> bool:
    """Whether systemd shall hold the ports."""
    out_of_reach = not host.settable and host.start < covered(ports)
    return host.inherits and (out_of_reach or max(ports) > HIGHEST_COVERED or not host.enabled)


def unprotected(host: Ports, ports: Sequence[int]) -> list[int]:
    """The ports that any account could take, whatever is done."""
    if by_systemd(host, ports):
        return []
    return [port for port in ports if port >= host.start and not _can_cover(host, port)]


def kept_by_systemd_alone(host: Ports, ports: Sequence[int]) -> list[int]:
    """The ports that the kernel does not keep for root."""
    if not by_systemd(host, ports):
        return []
    return [port for port in ports if port >= foreign_start(host) and not _can_cover(host, port)]


def protection(port: int, *, start: int, sockets: Iterable[str]) -> str:
    """What keeps everybody but root away from sshd's port, as the host is now; empty if nothing does."""
    if port < start:
        return f"ports below {start} are root's ({START_KEY})"
    return f"systemd holds it ({socket_name(port)})" if socket_name(port) in sockets else ""


def foreign_start(host: Ports) -> int:
    """The kernel's limit as it would be without us: by other files, or as somebody has raised it by hand."""
    by_files = list(host.other_starts.values())[-1] if host.other_starts else DEFAULT_START
    return host.start if host.start > max(by_files, host.own_start or 0) else by_files


def start_for(host: Ports, ports: Iterable[int]) -> int | None:
    """The kernel's limit while sshd is on these ports; None where it cannot be set."""
    if not host.settable:
        return None
    return max(covered(port for port in ports if port <= HIGHEST_COVERED), foreign_start(host))


def sysctl_text(header: str, start: int) -> str:
    return (
        f"# {header}\n# Only root may listen below it: sshd's port cannot be taken while sshd restarts.\n{START_KEY} = {start}\n"
    )


def parse_starts(texts: Mapping[str, str]) -> dict[str, int]:
    """File and line -> value, in files of sysctl.d(5)."""
    found = {}
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            match = re.fullmatch(rf"\s*-?\s*{START_KEY.replace('.', '[./]')}\s*=\s*(\d+)\s*", line)
            if match:
                found[f"{path}:{number}"] = int(match[1])
    return found


def parse_sockets(shown: str) -> dict[str, list[tuple[str, int]]]:
    """Name of each active unit -> where it listens, from ``systemctl show --property=Id,ActiveState,Listen``."""
    found = {}
    for block in shown.split("\n\n"):
        lines = [line.partition("=") for line in block.splitlines()]
        values = {key: value for key, _equals, value in lines}
        places = [value.split()[0].rpartition(":") for key, _equals, value in lines if key == "Listen" and value]
        if values.get("ActiveState") == "active":
            found[values["Id"]] = [(address.strip("[]"), int(port)) for address, _colon, port in places if port.isdigit()]
    return found


def restart_file(service: str) -> str:
    return f"{UNITS}/{service}.d/50-research-server.conf"


def socket_name(port: int) -> str:
    return f"research-server-sshd-{port}.socket"


def socket_text(header: str, port: int, service: str, addresses: Sequence[str]) -> str:
    listen = [f"ListenStream={f'[{address}]' if ':' in address else address}:{port}" for address in addresses]
    return SOCKET.format(header=header, port=port, service=service, listen="\n".join(listen))


def wants_text(header: str, sockets: Iterable[str]) -> str:
    """Makes systemd open the sockets at boot. A file, so that it can be undone like all others."""
    return f"# {header}\n[Unit]\n" + "".join(f"Wants={name}\n" for name in sockets)


def phases(host: Ports, ports: Sequence[int]) -> tuple[Phase, Phase, Phase]:
    """Both ways in; the new one alone; and back to how it is now."""
    both = tuple(dict.fromkeys([*ports, *host.told]))
    now = host.sockets
    final = tuple(map(socket_name, ports)) if by_systemd(host, ports) else ()
    # What systemd holds it goes on to hold until the new way has been used.
    staged = tuple(map(socket_name, both)) if final or any(map(OWN_SOCKET.fullmatch, now)) else ()
    # Nobody changes a unit in use: that would set its port free. Each port has a unit of its own, and units of others, which may
    # hold the same ports, make way.
    foreign = tuple(name for name in now if not OWN_SOCKET.fullmatch(name))
    return (
        Phase(both, start_for(host, both), staged, stop=foreign),
        Phase(tuple(ports), start_for(host, ports), final, stop=_without(staged, final), disable=foreign),
        Phase(host.told, host.start if host.settable else None, now, stop=_without(staged, now)),
    )


def commands(host: Ports, phase: Phase, *, sshd: str, runtime: str, first: Sequence[str] = ()) -> list[str]:
    """Shell commands that bring a phase about. Open sessions go on in all cases (ssh.service has KillMode=process)."""
    if phase.sockets or phase.stop:
        stop = [f"systemctl stop {host.service} {' '.join(phase.stop)}".rstrip()]
        start = [f"systemctl start {' '.join(phase.sockets)}"] if phase.sockets else []
        change = [*stop, *start, f"systemctl start {host.service}"]
    else:
        change = [f"systemctl reload-or-restart {host.service}"]
    checked = "\n".join([f"mkdir -p {runtime} && {sshd} -t && {{", *change, "}"])
    raised, settled = [], []
    if phase.start is not None:
        cover = max(covered([*phase.ports, *host.told]), phase.start)
        raised, settled = [f"echo {cover} > {START}"], [f"echo {phase.start} > {START}"]
    quiet = [f"systemctl stop {' '.join(host.generated)} 2>/dev/null || :"] if host.generated else []
    disable = [f"systemctl disable --quiet {' '.join(phase.disable)}"] if phase.disable else []
    return [*raised, *first, "systemctl daemon-reload", *quiet, *disable, checked, *settled]


def _can_cover(host: Ports, port: int) -> bool:
    return host.settable and port <= HIGHEST_COVERED


def _without(names: Iterable[str], others: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)
