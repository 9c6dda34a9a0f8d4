# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on which TCP port of this host. Private to this collection."""

from __future__ import annotations

import contextlib
import glob
import ipaddress
import os
import pwd
import socket
import struct
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h


class Listener(NamedTuple):
    """One listening socket (proc_pid_net(5))."""

    address: str
    port: int
    uid: int
    """Of the account that made the socket."""
    inode: int

    @property
    def place(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Holder(NamedTuple):
    """A process that has a socket open."""

    pid: int
    program: str
    uid: int


Holders = dict[int, list[Holder]]


def parse(tables: Iterable[str]) -> list[Listener]:
    """The listening sockets in the texts of /proc/net/tcp and tcp6."""
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    found = []
    for row in rows:
        if len(row) > 9 and row[3] == LISTEN:
            address, _colon, port = row[1].rpartition(":")
            found.append(Listener(_address(address), int(port, 16), int(row[7]), int(row[9])))
    return found


def read(ports: Collection[int] | None = None) -> list[Listener]:
    """The listening sockets of this host, or those on some ports."""
    texts = []
    for table in TABLES:
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as stream:
            texts.append(stream.read())
    return [found for found in parse(texts) if ports is None or found.port in ports]


def has_ipv6() -> bool:
    return os.path.exists(TABLES[1])


def holders(listeners: Iterable[Listener]) -> Holders:
    """Inode of each socket -> the processes that have it open. Root sees all of them."""
    wanted = {f"socket:[{found.inode}]": found.inode for found in listeners}
    result: Holders = {inode: [] for inode in wanted.values()}
    for link in glob.iglob("/proc/[0-9]*/fd/*") if wanted else ():
        # Processes come and go meanwhile.
        with contextlib.suppress(OSError):
            inode = wanted.get(os.readlink(link))
            if inode is not None:
                result[inode].append(_holder(int(link.split("/")[2])))
    return result


def describe(listener: Listener, by: Iterable[Holder], name_of: Callable[[int], str] | None = None) -> str:
    """For a message: who listens where."""
    processes = sorted({(holder.pid, holder.program) for holder in by})
    what = ", ".join(f"{program} (process {pid})" for pid, program in processes) or "a program"
    return f"{what} of {(name_of or account)(listener.uid)} on {listener.place}"


def account(uid: int) -> str:
    """The account as people know it."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _holder(pid: int) -> Holder:
    folder = f"/proc/{pid}"
    # What a process calls itself is its own choice; the file that it runs is not.
    return Holder(pid, os.path.basename(os.readlink(f"{folder}/exe")).removesuffix(" (deleted)"), os.stat(folder).st_uid)


def _address(digits: str) -> str:
    """An address as the kernel prints it: 32-bit words in the byte order of the machine."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)
