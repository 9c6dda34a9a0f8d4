# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that is a message for people. Private to this collection.

This file imports nothing, so that whoever plans without a host can raise it.
"""

from __future__ import annotations


class RefusedError(Exception):
    """Nothing has been changed, or all has been restored.

    `cause`: what was found, and what was expected. `way_out`: what the reader can do, as sentences of their own.
    """

    def __init__(self, cause: str, way_out: str = "") -> None:
        super().__init__(cause)
        self.cause = cause.strip()
        self.way_out = way_out.strip()

    def __str__(self) -> str:
        if not self.way_out:
            return self.cause
        return f"{self.cause}{'' if self.cause.endswith(('.', ':', '!', '?')) else '.'} {self.way_out}"
