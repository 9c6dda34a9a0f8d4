# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a host lacks, by dpkg's record or else by rpm's. Private to this collection."""

from __future__ import annotations

from collections.abc import Sequence

from . import dpkg
from .files import read_file
from .runner import Runner


def missing(runner: Runner, packages: Sequence[str]) -> list[str]:
    status = read_file(dpkg.STATUS)
    if status is None:
        return [name for name in packages if runner.attempt("rpm", "--query", "--quiet", name)[0] != 0]
    installed = dpkg.installed(status, packages.__contains__)
    return [name for name in packages if name not in installed]
