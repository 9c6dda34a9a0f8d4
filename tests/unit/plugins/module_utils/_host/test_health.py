# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import urllib.error
from email.message import Message

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import health as host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 500 kB\n".replace(" ", "  "), (1024000, 512000)),
        ("MemTotal:  2 kB\nMemFree:  1 kB\n", (2048, 1024)),
        ("", (0, 0)),
    ],
)
def test_memory_is_read(text: str, expected: tuple[int, int]) -> None:
    found = host.memory(text.replace("  kB", " kB"))
    assert (found["total"], found["available"]) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (urllib.error.HTTPError("http://h", 404, "Not Found", Message(), None), "HTTP status 404"),
        (urllib.error.HTTPError("http://h", 405, "Not Allowed", Message(), None), ""),
        (urllib.error.URLError(OSError("no route")), "no route"),
        (TimeoutError("timed\nout"), "timed out"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_failed_request_has_one_line(error: Exception, expected: str) -> None:
    assert host.reason(error) == expected
