# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a table that the kernel does not have as it shall be. Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Collection

from .._host.difference import Difference, difference


def loading(name: str, before: str, after: str, file: str, new: Collection[str]) -> list[Difference]:
    """`before` and `after` as nft lists the table, `file` the path of its text, `new` the paths whose text is told as well.

    A table that is nowhere yet is the text of a file that is new, too: nobody reads it twice.
    """
    if before == after:
        return []
    return [difference(name, before, after if before or file not in new else f"as {file} says\n")]
