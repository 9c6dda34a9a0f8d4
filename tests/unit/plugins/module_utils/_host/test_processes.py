# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import processes

ME = os.getuid()
STATUS = "Name:\t{name}\nUmask:\t0022\nState:\t{state}\nPid:\t12\nUid:\t1001\t0\t0\t0\nGid:\t5\t6\t6\t6\nGroups:\t5 7 \n"


@pytest.mark.parametrize("name", ["bash", "a: b", "(x) Z (y)", "\x0cUid:\t0 0 0 0", "\rState:\tZ", "\u2028Groups:\t0"])
def test_what_it_calls_itself_changes_nothing(name: str) -> None:
    found = processes.parse(12, STATUS.format(name=name, state="S (sleeping)"))
    assert found == processes.Process(12, name.strip(), (1001, 0, 0, 0), frozenset({5, 6, 7}), dead=False)


@pytest.mark.parametrize("state", ["Z (zombie)", "X (dead)"])
def test_who_has_ended_is_dead(state: str) -> None:
    assert processes.parse(12, STATUS.format(name="x", state=state)).dead


@pytest.fixture
def child() -> Iterator[Callable[[Callable[[], object]], int]]:
    """Start a process that first does something; it ends by itself, or at the end of the test."""
    pids = []

    def start(do: Callable[[], object]) -> int:
        ready, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            do()
            os.write(write, b"x")
            time.sleep(60)
            os._exit(0)
        os.read(ready, 1)
        os.close(ready), os.close(write)
        pids.append(pid)
        return pid

    yield start
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def running() -> list[int]:
    return [process.pid for process in processes.running() if ME in process.uids]


def test_who_does_not_let_itself_be_looked_into_is_seen(child: Callable[[Callable[[], object]], int]) -> None:
    pid = child(lambda: ctypes.CDLL(None).prctl(4, 0, 0, 0, 0))  # PR_SET_DUMPABLE
    assert Path(f"/proc/{pid}").stat().st_uid == 0
    assert pid in running()


def test_the_dead_do_not_run(child: Callable[[Callable[[], object]], int]) -> None:
    """Whoever does not take notice of the end of a leaver's process must not keep it alive."""
    pid = child(lambda: None)
    assert pid in running()
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{pid}").exists()
    assert pid not in running()


CLONE_NEWUSER = 0x10000000


def test_a_namespace_has_an_owner(child: Callable[[Callable[[], object]], int]) -> None:
    outer = child(lambda: None)
    inner = child(lambda: ctypes.CDLL(None).unshare(CLONE_NEWUSER))
    if Path(f"/proc/{inner}/ns/user").readlink() == Path("/proc/self/ns/user").readlink():
        pytest.skip("no user namespaces here")
    assert processes.in_namespace_of(inner, ME)
    assert not processes.in_namespace_of(inner, ME + 12345)
    assert not processes.in_namespace_of(outer, ME + 12345)
    assert not processes.in_namespace_of(2**22 - 1, ME)


def test_one_process_is_ended_and_no_other_of_its_number(child: Callable[[Callable[[], object]], int]) -> None:
    pid = child(lambda: None)
    found = processes.read(pid)
    processes.kill(found._replace(uids=(1, 2, 3, 4)))
    assert pid in running()
    processes.kill(found)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert pid not in running()
