# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a host's own files say about its health. Pure: text in, data out. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Collection

from .._nvidia.state import stanzas

LISTEN = "0A"
# Unit -> the firewall that it switches on at boot.
FIREWALL_UNITS = {
    "firewalld.service": "firewalld",
    "shorewall.service": "shorewall",
    "netfilter-persistent.service": "iptables-persistent",
}


def memory(meminfo: str) -> dict[str, int]:
    """Bytes, from /proc/meminfo (proc(5))."""
    values = {key: int(number) * 1024 for key, number in re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)}
    return {"total": values.get("MemTotal", 0), "available": values.get("MemAvailable", values.get("MemFree", 0))}


def unfinished(status: str) -> list[str]:
    """Packages in a state that dpkg was interrupted in (dpkg(1), PACKAGE STATES)."""
    states = ("half-installed", "unpacked", "half-configured", "triggers-awaited")
    packages = [(fields.get("package", "?"), fields.get("status", "").split()) for fields in stanzas(status)]
    return [name for name, state in packages if state and (state[-1] in states or "reinstreq" in state)]


def installed(status: str) -> set[str]:
    """Names of the installed packages."""
    return {fields.get("package", "") for fields in stanzas(status) if fields.get("status", "").endswith(" installed")}


def firewalls(ufw_conf: str, enabled: Collection[str]) -> list[str]:
    """Firewalls that are switched on."""
    found = ["ufw"] if re.search(r"^\s*ENABLED\s*=\s*yes\b", ufw_conf, re.MULTILINE | re.IGNORECASE) else []
    return found + sorted(name for unit, name in FIREWALL_UNITS.items() if unit in enabled)


def reason(error: Exception) -> str:
    """One line for a person from what urllib and its friends raise; empty if the server is there all the same."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        # A server that answers, but not to HEAD.
        return "" if code in (405, 501) else f"HTTP status {code}"
    inner = getattr(error, "reason", None)
    return " ".join(str(inner if inner else error).split()) or type(error).__name__
