# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topics of an audit, each a room of its own. Private to this collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import (
    accounts,
    conda,
    health,
    keys,
    listeners,
    packages,
    packet_filter,
    privileged_files,
    schedules,
    sources,
    startup_files,
    sudo,
)
from .declared import Declared
from .finding import Finding
from .host import Host

ROOMS = (
    accounts,
    conda,
    health,
    keys,
    listeners,
    packages,
    packet_filter,
    privileged_files,
    schedules,
    sources,
    startup_files,
    sudo,
)
TOPICS: dict[str, Callable[[Host, Declared], Iterator[Finding]]] = {room.TOPIC: room.find for room in ROOMS}
