# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the SSH server of a host may be found. Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Client(NamedTuple):
    """What the ssh client's configuration says about one host."""

    hostname: str
    """Address to connect to, after HostName in ssh_config."""
    port: int
    alias: str
    """Name under which the host's key is known, whatever the port (HostKeyAlias in ssh_config(5))."""
    proxied: bool
    """Whether the host is reached through another one."""
    known_hosts: tuple[str, ...] = ()
    """Files with pinned host keys."""


def parse_client(host: str, listing: str) -> Client:
    """Read the output of ``ssh -G``: one lower-case keyword and its value per line."""
    values: dict[str, str] = {}
    for line in listing.splitlines():
        keyword, _unused, value = line.partition(" ")
        values.setdefault(keyword, value)
    hostname = values.get("hostname", host)
    return Client(
        hostname=hostname,
        port=int(values.get("port", "22")),
        alias=values.get("hostkeyalias", "") or hostname,
        proxied=any(values.get(keyword, "none") != "none" for keyword in ("proxyjump", "proxycommand")),
        known_hosts=tuple(
            path for keyword in ("userknownhostsfile", "globalknownhostsfile") for path in values.get(keyword, "").split()
        ),
    )


def port_numbers(values: Sequence[object]) -> list[int]:
    """The values as TCP ports; ValueError with one sentence for a person if one is not."""
    for value in values:
        if not str(value).isdecimal() or not 1 <= int(str(value)) <= 65535:
            raise ValueError(
                f"found '{value}' among the ports; expected numbers from 1 to 65535; "
                "correct sshd_port, sshd_previous_ports or ansible_port in the inventory; nothing has been changed"
            )
    return [int(str(value)) for value in values]


def with_port(name: str, port: int) -> str:
    """``host:port``, as in sshd_config(5): an IPv6 address stands in brackets."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def candidates(wanted: Iterable[int], configured: int) -> list[int]:
    """The ports to try, in order, each once."""
    return list(dict.fromkeys([*wanted, configured]))


def aliases(client: Client, ports: Iterable[int]) -> list[str]:
    """Names under which the host's key may be pinned already, the plain name first (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return [client.alias, *(f"[{client.hostname}]:{port}" for port in ports if port != 22)]


def with_alias(common_args: str, alias: str) -> str:
    """The arguments, with the host's identity bound to its name instead of its name and port."""
    if "hostkeyalias" in common_args.lower():
        return common_args
    return f"{common_args} -o HostKeyAlias={alias}".strip()


def no_answer(hostname: str, failures: Mapping[int, str]) -> str:
    """One message with every port that was tried."""
    tried = "; ".join(f"port {port}: {reason}" for port, reason in failures.items())
    return (
        f"no SSH server answers at {hostname} ({tried}). Expected one on these ports. Check that the machine is up and its "
        "address right; if its SSH server listens elsewhere today, add that port to 'sshd_previous_ports'."
    )
