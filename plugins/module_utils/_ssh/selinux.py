# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports sshd may listen on where SELinux has a say. Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterable

ENFORCE = "/sys/fs/selinux/enforce"  # "1" where SELinux enforces; absent where there is none
LIST = ("semanage", "port", "-l")
SSH = "ssh_port_t"


def label_commands(ports: Iterable[int], listing: str) -> list[list[str]]:
    """What to run so that sshd may listen on the ports. ``listing`` is the output of ``semanage port -l``."""
    labels = dict(_labels(listing))
    return [
        # A port that has another label of its own is changed; one in a range of others gets a label of its own.
        ["semanage", "port", "-m" if str(port) in labels else "-a", "-t", SSH, "-p", "tcp", str(port)]
        for port in ports
        if labels.get(str(port)) != SSH
    ]


def _labels(listing: str) -> Iterable[tuple[str, str]]:
    """Port or range and its type, for TCP: ``ssh_port_t  tcp  2222, 22``. What is listed first is what holds."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        fields = line.replace(",", " ").split()
        if len(fields) > 2 and fields[1] == "tcp":
            for port in fields[2:]:
                found.setdefault(port, fields[0])
    return found.items()
