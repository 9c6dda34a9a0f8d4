# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls of other programs: the one answer for who asks and for who refuses. Private to this collection."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from .._host.files import read_file

UFW = "/etc/ufw/ufw.conf"
SYSTEMD = "/etc/systemd/system"
RUNNING = "/run/systemd/units/invocation:"  # a link for each unit that is active
ENABLED = re.compile(r"^\s*ENABLED\s*=\s*['\"]?yes\b", re.IGNORECASE | re.MULTILINE)
UNITS = {
    "firewalld.service": "firewalld",
    "shorewall.service": "shorewall",
    "netfilter-persistent.service": "iptables-persistent",
}


def switched_on(ufw_conf: str, enabled: Collection[str]) -> list[str]:
    """Their names. `enabled`: the units that systemd starts."""
    found = ["ufw"] if ENABLED.search(ufw_conf) else []
    return found + sorted(name for unit, name in UNITS.items() if unit in enabled)


def found(root: str = "/") -> list[str]:
    """Their names on this host. From files alone: a question to systemd costs more than all the rest of a run."""
    return switched_on(read_file(os.path.join(root, UFW[1:])) or "", started(root))


def started(root: str = "/") -> set[str]:
    """Of the units in question those that systemd starts at boot, or that are active now."""
    folder = os.path.join(root, SYSTEMD[1:])
    wants = (
        [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".wants")] if os.path.isdir(folder) else []
    )
    return {
        unit
        for unit in UNITS
        if os.path.islink(os.path.join(root, f"{RUNNING[1:]}{unit}"))
        or (not _is_masked(os.path.join(folder, unit)) and any(os.path.lexists(os.path.join(want, unit)) for want in wants))
    }


def _is_masked(path: str) -> bool:
    """As Debian leaves the unit of a package that was removed, together with the links that switched it on."""
    return os.path.islink(path) and os.readlink(path) == os.devnull
