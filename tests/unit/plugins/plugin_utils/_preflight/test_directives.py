# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.directives import problem

READ = {
    "MemoryMax": ["64G", "64 G", "1.5G", "1G 512M", "25%", "100%", "infinity", 1073741824, "100B", None, ""],
    "MemorySwapMax": [0, "8G"],
    "CPUQuota": ["800%", "12.5%", ""],
    "TasksMax": ["15%", 100, "infinity"],
    "CPUWeight": [100, "10000"],
    "TimeoutStopSec": [90, "5min", "1h 30min", "1.5h", "infinity", "500ms"],
    "LimitNOFILE": ["infinity", "1024:4096", 65536],
    "LimitMEMLOCK": ["8G"],
    "Nice": ["whatever"],
}
IGNORED = {
    "MemoryMax": ["64 GB", "64GB", "64GiB", "64g", "64,5G", "-1", "G", "50 %", True, 0, "0G", "0%", "150%"],
    "MemoryHigh": ["512M 1G", "1G 1G", "\uff16\uff14G", "64\N{NO-BREAK SPACE}G", "64G\N{NO-BREAK SPACE}", "\n64G", ["64G"]],
    "CPUQuota": ["800", "8 cores", "-5%", 4, "0%", "\u0664\u0660\u0660%"],
    "TasksMax": ["0", "-1", "many", "1.5", "150%", "1e3", "max", 1e3],
    "CPUWeight": [0, 10001, "high"],
    "TimeoutStopSec": ["5 minuten", "soon", "-1", "1h,30min"],
    "LimitNOFILE": ["lots", "1:2:3", "1024-4096"],
}


def cases(values: dict[str, list[object]]) -> list[object]:
    return [pytest.param(name, value, id=f"{name}={value}") for name, items in values.items() for value in items]


@pytest.mark.parametrize(("name", "value"), cases(READ))
def test_what_systemd_reads(name: str, value: object) -> None:
    assert problem(name, value) == ""


@pytest.mark.parametrize(("name", "value"), cases(IGNORED))
def test_what_systemd_would_ignore(name: str, value: object) -> None:
    assert problem(name, value).startswith(f"found {value!r}; expected ")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_agrees(tmp_path: Path) -> None:
    for number, values in enumerate((READ, IGNORED)):
        for name, items in values.items():
            for index, value in enumerate(item for item in items if item not in (None, "", True)):
                unit = tmp_path / f"x{number}{name}{index}.service"
                unit.write_text(f"[Service]\nExecStart=/bin/true\n{name}={value}\n")
                done = subprocess.run(["systemd-analyze", "verify", unit], check=False, capture_output=True, text=True)
                ignored = "ignoring" in done.stderr or "Failed to parse" in done.stderr or "out of range" in done.stderr
                assert ignored == (values is IGNORED or name == "Nice"), (name, value, done.stderr)


def test_the_worst_text_is_read_in_no_time() -> None:
    begin = time.process_time()
    for name in READ:
        problem(name, "1" * 100_000 + "x")
        problem(name, "1 " * 50_000 + "x")
    assert time.process_time() - begin < 5
