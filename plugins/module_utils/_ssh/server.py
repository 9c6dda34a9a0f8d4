# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd's modules ask a host. Reads only; the reading is shared, the thinking is elsewhere. Private to this collection."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import typing as t
from fnmatch import fnmatch

from ansible.module_utils.basic import AnsibleModule

from .._host import listening as host_listening
from .._host.files import read_file
from .._host.runner import Runner
from .._host.session import Session
from . import port as ssh_port
from . import server_config

MAIN = server_config.MAIN
RUNTIME = "/run/sshd"
SYSCTL_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


class Sshd(Runner):
    """The SSH server of a host, and how systemd runs it."""

    def __init__(self, module: AnsibleModule) -> None:
        super().__init__(module)
        self.sshd = module.get_bin_path("sshd", True, ["/usr/sbin", "/usr/local/sbin"])
        self.service = _unit("ssh.service", "sshd.service")

    def effective(self, *options: str, user: str = "", address: str = "127.0.0.1", port: int = 22) -> str:
        """What ``sshd -T`` prints: for everybody, or for one account with all Match blocks."""
        with runtime_directory():
            return self.run(self.sshd, "-T", "-C", connection(user, address, port), *options)

    def ports(self) -> list[int]:
        """The ports on which sshd, or systemd for it, is told to listen."""
        sockets = self.sockets()
        if sockets:
            return list(dict.fromkeys(port for places in sockets.values() for _address, port in places))
        return server_config.effective_ports(self.effective())

    def sockets(self) -> dict[str, list[tuple[str, int]]]:
        """Active socket units that hand their ports to sshd -> where they listen."""
        names = [os.path.basename(path) for path in glob.glob(f"{ssh_port.UNITS}/research-server-sshd-*.socket")]
        names += [name for name in ("ssh.socket", "sshd.socket") if _unit(name)]
        if not names:
            return {}
        shown = self.run("systemctl", "show", "--property=Id,ActiveState,Listen", *names)
        return ssh_port.parse_sockets(shown)

    def listening(self, ports: t.Collection[int] | None = None) -> tuple[list[host_listening.Listener], host_listening.Holders]:
        """Who listens, with the processes."""
        found = host_listening.read(ports)
        return found, host_listening.holders(found)

    def ports_facts(self) -> ssh_port.Ports:
        """All about sshd's ports."""
        sockets = self.sockets()
        places = {place for found in sockets.values() for place in found}
        if not sockets:
            places = server_config.effective_addresses(self.effective())
        generated = (name for name in ssh_port.GENERATED if os.path.exists(f"/run/systemd/generator/{name}"))
        return ssh_port.Ports(
            service=self.service,
            told=tuple(dict.fromkeys(port for _address, port in sorted(places, key=lambda place: place[1]))),
            addresses=frozenset(places),
            sockets=tuple(sorted(sockets)),
            enabled=os.path.islink(f"{ssh_port.UNITS}/multi-user.target.wants/{self.service}"),
            inherits=inherits(),
            ipv6=host_listening.has_ipv6(),
            start=int(read_file(ssh_port.START) or ssh_port.DEFAULT_START),
            settable=os.access(ssh_port.START, os.W_OK),
            own_start=next(iter(ssh_port.parse_starts({ssh_port.SYSCTL: read_file(ssh_port.SYSCTL) or ""}).values()), None),
            other_starts=ssh_port.parse_starts(_sysctl_files()),
            generator=os.path.exists(f"{ssh_port.GENERATORS}/{ssh_port.GENERATOR}"),
            generated=tuple(generated),
        )


def connection(user: str = "", address: str = "127.0.0.1", port: int = 22) -> str:
    """A connection as ``sshd -T -C`` wants it; ``port`` is the server's.

    Without a port and an address of the server, Match LocalPort and Match LocalAddress in any file would be an error. The address
    is one of documentation (RFC 5737): blocks for an address of this host are not taken for everybody's.
    """
    login = f"user={user},host={address},addr={address}," if user else ""
    return f"{login}laddr=192.0.2.1,lport={port}"


def inherits() -> bool:
    """Debian's sshd takes its sockets from systemd, upstream's does not: there, ssh.socket starts one sshd per connection."""
    return "Accept=no" in unit_text("ssh.socket").split()


def _sysctl_files() -> dict[str, str]:
    """Files of sysctl.d(5) but our own, in the order in which they count: by their names, of equal names the first folder's."""
    found: dict[str, str] = {}
    for folder in reversed(SYSCTL_FOLDERS):
        found.update((os.path.basename(path), path) for path in glob.glob(f"{folder}/*.conf"))
    return {path: read_file(path) or "" for _name, path in sorted(found.items()) if path != ssh_port.SYSCTL}


def expand(pattern: str, *planned: str) -> list[str]:
    """The files that an Include means, as if the planned ones were there."""
    return sorted({*glob.glob(pattern), *(path for path in planned if fnmatch(path, pattern))})


@contextlib.contextmanager
def runtime_directory() -> t.Iterator[None]:
    """sshd demands this directory even for a test, and systemd removes it when the service stops."""
    made = not os.path.isdir(RUNTIME)
    if made:
        os.mkdir(RUNTIME, 0o755)
    try:
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(RUNTIME)


def describe(session: Session | None) -> dict[str, t.Any]:
    """The session as a module returns it."""
    if session is None:
        return {}
    return {
        "user": pwd.getpwuid(session.uid).pw_name,
        "client_address": session.client_address,
        "server_port": session.server_port,
    }


def unit_text(name: str) -> str:
    """The unit file that a package brought; empty if there is none."""
    return next((text for folder in UNIT_FOLDERS[1:] if (text := read_file(f"{folder}/{name}"))), "")


def _unit(*names: str) -> str:
    return next((name for name in names if any(os.path.exists(f"{folder}/{name}") for folder in UNIT_FOLDERS)), "")
