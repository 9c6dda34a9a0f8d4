# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import users


def process(procfs: Path, pid: int, program: str, *opened: str) -> None:
    (procfs / str(pid) / "fd").mkdir(parents=True)
    (procfs / str(pid) / "comm").write_text(f"{program}\n")
    for number, target in enumerate(opened):
        (procfs / str(pid) / "fd" / str(number)).symlink_to(target)


@pytest.mark.parametrize(
    ("opened", "uses"),
    [
        ("/dev/nvidia0", True),
        ("/dev/nvidia11", True),
        ("/dev/nvidia-uvm", True),
        ("/dev/nvidia0 (deleted)", True),
        ("/dev/nvidiactl", False),
        ("/home/alice/dev/nvidia0", False),
        ("/dev/null", False),
    ],
)
def test_who_has_a_gpu_open_uses_it(opened: str, uses: bool, tmp_path: Path) -> None:
    process(tmp_path, 17, "python", "/dev/null", opened)
    process(tmp_path, 9, "nvidia-persiste", "/dev/nvidia0")
    process(tmp_path, 10, "dcgm-exporter", "/dev/nvidia0")
    (tmp_path / "driver").mkdir()
    found = users.read_users(tmp_path)
    assert [(one["pid"], one["program"]) for one in found] == ([(17, "python")] if uses else [])


def test_real_processes_are_looked_at() -> None:
    assert users.read_users(Path("/proc")) is not None
