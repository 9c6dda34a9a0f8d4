# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls of other programs, by the files that switch them on at boot. Pure. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Collection

UFW = "/etc/ufw/ufw.conf"
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
