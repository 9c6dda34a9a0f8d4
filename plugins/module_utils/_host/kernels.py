# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's kernels boots next, by their names. Pure. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Collection


def order(release: str) -> tuple[int, ...]:
    """Boot loaders take the newest."""
    return tuple(int(number) for number in re.findall(r"\d+", release))


def flavour(release: str) -> str:
    """Such as `cloud-amd64`: kernels of another one lie there for another purpose."""
    return re.sub(r"^[0-9][0-9.]*(?:-rc\d+)?(?:-\d+)?[+~._a-z0-9]*?(?=-[a-z]|$)", "", release)


def boots_next(releases: Collection[str], running: str) -> str:
    """Of the kernels in /boot; empty if there is none. Where the running one is not among them, their flavours say nothing."""
    alike = [release for release in releases if running not in releases or flavour(release) == flavour(running)]
    return max(alike, key=order, default="")
