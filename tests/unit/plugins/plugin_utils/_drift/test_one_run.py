# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.one_run import AnotherRunError, alone

# Holds the lock until its standard input ends, or leaves a child behind that does not end with it.
HOLDER = """
import subprocess, sys
from pathlib import Path
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.one_run import alone
with alone(Path(sys.argv[1]), 0, print):
    child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL) if sys.argv[2:] else None
    print(child.pid if child else "held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(report: Path) -> t.Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(report)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate()


def test_nothing_is_said_when_nobody_else_runs(tmp_path: Path) -> None:
    said: list[str] = []
    for _again in range(2):
        with alone(tmp_path / "drift.json", 0, said.append):
            pass
    assert not said
    assert (tmp_path / ".drift.json.lock").stat().st_mode & 0o777 == 0o600


def test_who_does_not_wait_is_told_who_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    report = tmp_path / "drift.json"
    # An earlier one, whose text is longer.
    (tmp_path / ".drift.json.lock").write_text("x" * 90)
    with held(report) as other:
        expected = rf"another run since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00, process {other.pid}, writes {report} and has not"
        with pytest.raises(AnotherRunError, match=expected), alone(report, 0, said.append):
            pass
        with alone(tmp_path / "audit.json", 0, said.append):
            pass
    assert not said


def test_who_waits_is_told_at_once_and_comes_when_the_other_has_ended(tmp_path: Path) -> None:
    report, begun, said = tmp_path / "drift.json", time.monotonic(), {}
    with held(report) as other:

        def say(message: str) -> None:
            said[message] = time.monotonic() - begun
            assert other.stdin
            other.stdin.close()

        with alone(report, 30, say):
            assert other.wait(5) == 0
            assert time.monotonic() - begun < 20
        other.stdin = None
    ((message, seconds),) = said.items()
    assert f"process {other.pid}, writes {report}; waiting up to 30 s for it (--wait)" in message
    assert seconds < 10


def test_waiting_has_an_end(tmp_path: Path) -> None:
    begun = time.monotonic()
    with held(tmp_path / "drift.json"), pytest.raises(AnotherRunError), alone(tmp_path / "drift.json", 0.7, print):
        pass
    assert time.monotonic() - begun >= 0.7


def test_one_that_was_killed_holds_nothing_even_if_it_left_a_child(tmp_path: Path) -> None:
    report = tmp_path / "drift.json"
    command = [sys.executable, "-c", HOLDER, str(report), "child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.kill()
    try:
        with alone(report, 0, print):
            pass
    finally:
        os.kill(child, 15)


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".drift.json.lock").symlink_to("precious")
    with pytest.raises(OSError, match=r"drift\.json\.lock"), alone(tmp_path / "drift.json", 0, print):
        pass
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "1\x1b[2J 2026\n", "x" * 500])
def test_what_else_is_in_the_file_is_not_said(tmp_path: Path, content: str) -> None:
    with held(tmp_path / "drift.json"):
        (tmp_path / ".drift.json.lock").write_text(content)
        with pytest.raises(AnotherRunError, match=r"^another run writes"), alone(tmp_path / "drift.json", 0, print):
            pass
