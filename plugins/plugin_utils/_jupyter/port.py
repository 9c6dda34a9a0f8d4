# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which port belongs to whom. Pure. Private to this collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

# Ten thousand ports above the well-known ones and below the ephemeral range, so that no outgoing connection takes
# one first (Linux: net.ipv4.ip_local_port_range is 32768 to 60999 by default, ip(7)).
FIRST = 20000
COUNT = 10000
# What may be given by hand: not privileged (ip_unprivileged_port_start, ip(7)), not ephemeral.
LOWEST, HIGHEST = 1024, 32767


def port_of(name: str, explicit: Mapping[str, int] | None = None) -> int:
    """The port of the user's JupyterLab: the explicit one, else one that depends on the name and nothing else."""
    if explicit and name in explicit:
        return int(explicit[name])
    digest = hashlib.sha256(name.encode("utf-8")).digest()
    return FIRST + int.from_bytes(digest[:8], "big") % COUNT


def collisions(names: Iterable[str], explicit: Mapping[str, int] | None = None) -> dict[int, list[str]]:
    """Ports that several of the names would share, each with those names in alphabetical order."""
    owners: dict[int, list[str]] = {}
    for name in sorted(set(names)):
        owners.setdefault(port_of(name, explicit), []).append(name)
    return {port: users for port, users in sorted(owners.items()) if len(users) > 1}


def free_port(near: int, taken: Iterable[int]) -> int:
    """The first port after `near` in the pool that nobody has, to suggest in a message."""
    used = set(taken)
    for step in range(1, COUNT):
        port = FIRST + (near - FIRST + step) % COUNT
        if port not in used:
            return port
    raise ValueError("no port is free")
