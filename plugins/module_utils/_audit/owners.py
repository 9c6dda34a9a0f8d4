# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package of the distribution owns a path: one answer for all topics. Private to this collection."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from .._host import dpkg
from .host import Host

DPKG_QUERY = "/usr/bin/dpkg-query"
INFO = "/var/lib/dpkg/info"
DIVERTED = ("diversion by ", "local diversion ")
# Of the list of one package. Those of the kernel's sources have some megabytes.
LIST_LIMIT = 64 << 20


def packaged(host: Host, paths: Iterable[str]) -> frozenset[str]:
    """Those that a package has brought (dpkg-query(1), --search): cheaper than the lists, for a few paths."""
    names = _names(host, paths)
    if not names or host.status(DPKG_QUERY) is None:
        return frozenset()
    _code, out, _err = host.attempt(DPKG_QUERY, "--search", "--", *sorted(names))
    # A diversion tells where a file would be, not whose it is.
    lines = (line for line in out.splitlines() if not line.startswith(DIVERTED))
    # A path with '*' is a pattern to dpkg: what it answers has to be the path.
    return frozenset(path for line in lines for path in names.get(line.partition(": ")[2], ()))


def owners(host: Host, paths: Iterable[str]) -> dict[str, str]:
    """Path -> package that owns it, for those that one does."""
    names = _names(host, paths)
    found: dict[str, str] = {}
    if not names:
        return found
    with contextlib.suppress(OSError):
        for name in os.listdir(host.path(INFO)):
            if name.endswith(".list"):
                lines = (host.text(f"{INFO}/{name}", LIST_LIMIT) or "").split("\n")
                package = name[: -len(".list")].partition(":")[0]
                found.update((path, package) for place in names.keys() & lines for path in names[place])
    return found


def _names(host: Host, paths: Iterable[str]) -> dict[str, set[str]]:
    asked = list(paths)
    return dpkg.known_as(asked, host.text(dpkg.DIVERSIONS) or "") if asked else {}
