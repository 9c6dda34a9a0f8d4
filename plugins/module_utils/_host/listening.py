# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on which TCP port, or UNIX socket, of this host. Private to this collection."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from . import getent, processes

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
UNIX_TABLE = "/proc/net/unix"
ADDRESSES6 = "/proc/net/if_inet6"
LOOPBACK6 = f"{1:032x} "
LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h
ACCEPTS = 1 << 16  # __SO_ACCEPTCON in include/linux/net.h
# Who has millions of files open, or thousands of processes, is not looked through to the end.
LINKS = 20_000
SECONDS = 5.0


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


def parse_unix(table: str) -> dict[int, str]:
    """Inode of each UNIX socket that listens -> its path, in the text of /proc/net/unix. A path may be another's by now."""
    rows = (line.split(maxsplit=7) for line in table.splitlines()[1:])
    return {int(row[6]): row[7] for row in rows if len(row) == 8 and int(row[3], 16) & ACCEPTS}


def read_unix() -> dict[int, str]:
    """The same of this host."""
    with open(UNIX_TABLE, encoding="utf-8", errors="surrogateescape") as stream:
        return parse_unix(stream.read())


def has_ipv6() -> bool:
    """Whether programs can listen there at all, even if no address leads to them."""
    return os.path.exists(TABLES[1])


def has_loopback6() -> bool:
    """Whether ::1 is an address of this host. It has none where IPv6 is switched off (net.ipv6.conf.all.disable_ipv6)."""
    try:
        with open(ADDRESSES6, encoding="ascii") as stream:
            return any(line.startswith(LOOPBACK6) for line in stream)
    except FileNotFoundError:
        return False


def holders(listeners: Iterable[Listener]) -> Holders:
    """Inode of each socket -> the processes that have it open. Root sees all of them."""
    return holders_of({found.inode: found.uid for found in listeners})


def holders_of(sockets: Mapping[int, int]) -> Holders:
    """The same for inodes, each with the number of the account that made the socket."""
    result: Holders = {inode: [] for inode in sockets}
    for pid in _candidates(set(sockets.values())) if sockets else ():
        # Processes come and go meanwhile.
        with contextlib.suppress(OSError):
            for inode in inodes(pid) & result.keys():
                result[inode].append(_holder(pid))
    return result


def inodes(pid: int) -> set[int]:
    """Of the sockets of a process. Raises OSError if it has ended."""
    found = set()
    with os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in itertools.islice(entries, LINKS):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def _candidates(uids: Collection[int]) -> Iterator[int]:
    """Processes that may have a socket of these accounts: their own, whatever program it is that they run.

    Only those: somebody else could have so many files open that looking through them takes hours.
    """
    deadline = time.monotonic() + SECONDS
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        if time.monotonic() > deadline:
            return
        with contextlib.suppress(OSError):
            # The folder is the effective user's, or root's where the process may not be traced. Of a program with the
            # set-user-ID bit only the real number tells who has started it.
            if os.stat(f"/proc/{name}").st_uid in (*uids, 0) and processes.read(int(name)).uids[0] in uids:
                yield int(name)


def describe(listener: Listener, by: Iterable[Holder], name_of: Callable[[int], str] | None = None) -> str:
    """For a message: who listens where."""
    processes = sorted({(holder.pid, holder.program) for holder in by})
    what = ", ".join(f"{program} (process {pid})" for pid, program in processes) or "a program"
    return f"{what} of {(name_of or account)(listener.uid)} on {listener.place}"


def account(uid: int) -> str:
    """The account as people know it."""
    return f"{name} (uid {uid})" if (name := getent.user(uid)) else f"uid {uid}"


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
