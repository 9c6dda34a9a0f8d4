# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs with a time limit, tell what is going on, and keep parallel callers apart."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"


class TestbedError(Exception):
    """The test bed cannot be made. ``status`` is the exit code: 2 means that a person has to do something first."""

    __test__ = False  # the name begins with "Test": pytest must not collect it

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(f"testbed: {message}", flush=True)


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Say what begins, and how many seconds it took once it is done."""
    say(f"{title} ...")
    start = time.monotonic()
    yield
    say(f"{title}: done in {time.monotonic() - start:.1f} s")


def run(
    command: Sequence[str | Path],
    *,
    timeout: float,
    check: bool = True,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it printed.

    Raises :class:`TestbedError` with the end of the program's output when it takes longer than ``timeout`` seconds
    or, unless ``check`` is false, when it fails. A program that does not exist counts as failed with status 127.
    """
    shown = " ".join(str(word) for word in command)
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=None if env is None else dict(env),
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError:
        done = subprocess.CompletedProcess([shown], 127, "", f"{command[0]}: not found")
    except subprocess.TimeoutExpired:
        if not check:
            return subprocess.CompletedProcess([shown], 124, "", f"no answer within {timeout:g} s")
        raise TestbedError(f"no answer within {timeout:g} s: {shown}") from None
    if check and done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise TestbedError(f"exit status {done.returncode}: {shown}\n{tail}")
    return done


def docker(*words: str | Path, timeout: float = 60, check: bool = True, stdin: str | None = None) -> str:
    """Run one docker command with a time limit and return its output without the last line end."""
    return run(["docker", *words], timeout=timeout, check=check, stdin=stdin).stdout.strip()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of that name: a second caller waits until the first is done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run holds .cache/{name}.lock, waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_root() -> bool:
    return os.geteuid() == 0


def fail(error: TestbedError) -> int:
    """Print an error for a person and return the exit status."""
    print(f"testbed: ERROR: {error}", file=sys.stderr, flush=True)
    return error.status
