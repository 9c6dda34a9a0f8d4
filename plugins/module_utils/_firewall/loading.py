# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a table that the kernel does not have as it shall be. Pure. Private to this collection."""

from __future__ import annotations

import os
from collections.abc import Collection

from .._host.difference import Difference, difference
from .._host.runner import Runner


def unit_differences(host: Runner, name: str, link: str, *, wanted: bool = True) -> list[Difference]:
    """Of the unit that loads a table at boot, and again when nftables.service has emptied all (PartOf=): on, and up."""
    # systemd goes by the name of the link; one to nothing masks it (systemd.unit(5)).
    enabled = os.path.lexists(link) and os.path.realpath(link) != os.devnull
    if enabled != wanted:
        now, then = ("disabled\n", "enabled\n") if wanted else ("enabled\n", "disabled\n")
        return [difference(name, now, then)]
    if wanted and host.attempt("systemctl", "is-active", "--quiet", name)[0] != 0:
        return [difference(name, "stopped\n", "active\n")]
    return []


def enable(host: Runner, name: str, link: str) -> None:
    if os.path.realpath(link) == os.devnull:
        os.unlink(link)  # counts as enabled
    host.run("systemctl", "enable", "--quiet", name)


def loading(name: str, before: str, after: str, file: str, new: Collection[str]) -> list[Difference]:
    """`before` and `after` as nft lists the table, `file` the path of its text, `new` the paths whose text is told as well.

    A table that is nowhere yet is the text of a file that is new, too: nobody reads it twice.
    """
    if before == after:
        return []
    return [difference(name, before, after if before or file not in new else f"as {file} says\n")]
