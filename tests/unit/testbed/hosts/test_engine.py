# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states an engine can be left in, as far as they show without one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import engine
from shell import TestbedError, run


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose program is called dockerd."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = shutil.copy(sleep, tmp_path / "dockerd")
    with subprocess.Popen([program, "60"]) as started:
        yield started
        started.kill()


def test_running_engine_is_alive(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(f"{process.pid}\n")
    assert engine._alive(pid_file)
    assert pid_file.exists()


def test_pid_file_of_a_killed_engine_is_removed(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(process.pid))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried: a zombie
    assert not engine._alive(pid_file)
    assert not pid_file.exists()


@pytest.mark.parametrize("content", ["", "no number", str(os.getpid()), "4194304"])
def test_pid_file_of_something_else_is_removed(tmp_path: Path, content: str) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(content)
    assert not engine._alive(pid_file)
    assert not pid_file.exists()


def test_no_pid_file(tmp_path: Path) -> None:
    assert not engine._alive(tmp_path / "docker.pid")


@pytest.mark.parametrize(
    ("client", "said", "advice"),
    [
        (False, "", "sudo apt-get install -y docker.io"),
        (True, "permission denied while trying to connect", 'sudo usermod -aG docker "$USER"'),
        (True, "Cannot connect to the Docker daemon", "sudo systemctl start docker"),
    ],
)
def test_who_is_not_root_is_told_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: bool, said: str, advice: str
) -> None:
    if client:
        (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engine, "is_root", lambda: False)
    with pytest.raises(TestbedError) as caught:
        engine.ensure()
    assert caught.value.status == 2
    assert advice in str(caught.value)


def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(TestbedError, match=r"no answer within 0\.2 s: sleep 20"):
        run(["sleep", "20"], timeout=0.2)
    assert run(["sleep", "20"], timeout=0.2, check=False).returncode == 124
