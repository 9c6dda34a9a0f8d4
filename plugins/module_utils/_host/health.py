# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a host's own files say about its health. Pure: text in, data out. Private to this collection."""

from __future__ import annotations

import re


def memory(meminfo: str) -> dict[str, int]:
    """Bytes, from /proc/meminfo (proc(5))."""
    values = {key: int(number) * 1024 for key, number in re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)}
    return {"total": values.get("MemTotal", 0), "available": values.get("MemAvailable", values.get("MemFree", 0))}


def reason(error: Exception) -> str:
    """One line for a person from what urllib and its friends raise; empty if the server is there all the same."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        # A server that answers, but not to HEAD.
        return "" if code in (405, 501) else f"HTTP status {code}"
    inner = getattr(error, "reason", None)
    return " ".join(str(inner if inner else error).split()) or type(error).__name__
