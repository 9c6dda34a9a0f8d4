# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that want the same file, and end or are killed while they have it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.mutex import exclusive, mutex_file, writable_home

# It holds the mutex until its input ends, and says so; the program that it starts has the file open too.
HOLDER = """
import subprocess, sys
from ansible_collections.openlab.research_server.plugins.module_utils._conda.mutex import exclusive
with exclusive(sys.argv[1], "vision", 0) as handle:
    child = subprocess.Popen(["sleep", "60"], pass_fds=(handle,)) if sys.argv[2:] else None
    print(child.pid if child else 0, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(path: Path, *more: str) -> t.Iterator[tuple[subprocess.Popen[str], int]]:
    argv = [sys.executable, "-c", HOLDER, str(path), *more]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def free(path: Path) -> bool:
    try:
        with exclusive(str(path), "nlp", 0):
            return True
    except CondaEnvError:
        return False


def test_who_cannot_have_it_is_told_who_has_and_that_nothing_was_done(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as (process, _child):
        with pytest.raises(CondaEnvError) as caught, exclusive(str(path), "nlp", 0.3):
            pytest.fail("two have it")
        assert caught.value.cause == f"another run holds {path} (process {process.pid}, environment 'vision'); waited 0.3 s"
        assert "'lock_timeout'" in caught.value.way_out and "has not been touched" in caught.value.way_out


def test_who_holds_without_a_word_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path):
        path.write_text("")
        with pytest.raises(CondaEnvError, match=r"\(unknown\)"), exclusive(str(path), "nlp", 0):
            pytest.fail("two have it")


def test_who_waits_gets_it_when_the_other_one_has_finished(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    begun = time.monotonic()
    with (
        holder(path) as (process, _child),
        subprocess.Popen(["sh", "-c", 'sleep 0.5; kill "$0"', str(process.pid)]),
        exclusive(str(path), "nlp", 30),
    ):
        assert time.monotonic() - begun >= 0.5
        assert path.read_text() == f"process {os.getpid()}, environment 'nlp'\n"


def test_it_is_free_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), exclusive(str(path), "nlp", 0):
        raise ZeroDivisionError
    assert free(path)


def test_a_program_that_outlives_a_killed_run_still_has_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path, "with a child") as (process, child):
        process.kill()
        process.wait()
        assert not free(path)
        os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not free(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert free(path)


@contextlib.contextmanager
def real_user(uid: int) -> t.Iterator[None]:
    """access(2) asks for the real user."""
    before = os.getuid()
    if os.geteuid() == 0:
        os.setresuid(uid, -1, -1)
    try:
        yield
    finally:
        os.setresuid(before, -1, -1)


def test_the_file_is_beside_the_installation_or_with_who_does_not_own_it(
    public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, home = public_folder / "opt/conda", public_folder / "home"
    root.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert mutex_file(f"{root}/") == f"{public_folder}/opt/.conda.lock"
    assert writable_home(str(root)) == str(root)
    # An installation of one's own in a folder of somebody else.
    root.parent.chmod(0o555)
    root.chmod(0o777)
    with real_user(65534):
        assert mutex_file(str(root)) == f"{root}/.conda_env.lock"
        root.chmod(0o555)
        assert mutex_file(str(root)) == f"{home}/.conda/.conda_env.lock"
    assert (home / ".conda").is_dir()
    root.parent.chmod(0o755)
