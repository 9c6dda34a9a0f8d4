# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of addresses and networks. Pure. Private to this collection."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def with_address(networks: Iterable[str], address: str | None) -> list[str]:
    """The networks, and the address unless one of them has it already. Names of hosts are passed through."""
    listed = list(networks)
    if not address:
        return listed
    # `fe80::1%eth0` has a zone that no network is compared with.
    wanted = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(wanted, ipaddress.IPv6Address) and wanted.ipv4_mapped is not None:
        wanted = wanted.ipv4_mapped
    covered = any(network is not None and wanted in network for network in map(parse, listed))
    return listed if covered else [*listed, str(wanted)]


def parse(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A network or a single address; None if it is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
