# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes become archives with a real tar, below a temporary folder; and what fails for one person stops nobody else."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import applying, leavers
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.people import Change, Desired
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.projects import Project


class Machine:
    """As much of AnsibleModule, and of a host, as archiving needs."""

    def __init__(self, folder: Path) -> None:
        self.params = {"archive_dir": str(folder / "archives")}
        self.home = folder / "home" / "bob"
        self.broken = ""
        """The program that fails."""

    def run_command(self, argv: list[str], **_unused: t.Any) -> tuple[int, str, str]:
        if argv[0] == self.broken:
            return 2, "", "No space left"
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def work(self, text: str) -> None:
        self.home.mkdir(parents=True)
        (self.home / "results").write_text(text)
        (self.home / "link").symlink_to("/etc/passwd")

    @property
    def archives(self) -> list[str]:
        folder = Path(self.params["archive_dir"])
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def read(self, archive: str) -> bytes:
        with tarfile.open(Path(self.params["archive_dir"], archive)) as packed:
            assert packed.getmember("bob/link").issym()
            stream = packed.extractfile("bob/results")
            assert stream is not None
            return stream.read()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    entry = SimpleNamespace(pw_dir=str(made.home), pw_uid=1001)
    monkeypatch.setattr(applying.pwd, "getpwnam", lambda _name: entry)
    return made


def archive(machine: Machine) -> None:
    applier(machine).archive("bob", None)


def applier(machine: Machine) -> applying.Applier:
    return applying.Applier(t.cast("t.Any", machine), [Desired("bob"), Desired("ada")])


def test_a_home_becomes_a_file_of_roots(machine: Machine) -> None:
    machine.work("one")
    archive(machine)
    assert not machine.home.exists()
    assert machine.archives == ["bob-1001.tar"]
    assert machine.read("bob-1001.tar") == b"one"
    folder = Path(machine.params["archive_dir"])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "bob-1001.tar")] == [0o700, 0o600]


def test_an_archive_is_never_replaced(machine: Machine) -> None:
    for text in ("one", "two"):
        machine.work(text)
        archive(machine)
    assert [machine.read(name) for name in machine.archives] == [b"two", b"one"]
    assert machine.archives == ["bob-1001.2.tar", "bob-1001.tar"]


def test_a_home_stays_if_its_archive_fails(machine: Machine) -> None:
    machine.work("one")
    machine.broken = "tar"
    with pytest.raises(applying.RefusedError, match="No space left"):
        archive(machine)
    assert (machine.home / "results").read_text() == "one"
    assert machine.archives == []


def test_an_interrupted_removal_is_finished_and_nothing_is_archived_twice(machine: Machine) -> None:
    machine.work("one")
    machine.broken = "rm"
    with pytest.raises(applying.RefusedError, match="No space left"):
        archive(machine)
    assert not machine.home.exists()
    assert os.path.isdir(leavers.rest(str(machine.home)))
    machine.broken = ""
    archive(machine)
    assert list(machine.home.parent.iterdir()) == []
    assert machine.archives == ["bob-1001.tar"]
    assert machine.read("bob-1001.tar") == b"one"


def test_a_home_may_be_deeper_than_python_goes(machine: Machine) -> None:
    machine.work("one")
    before = os.getcwd()
    os.chdir(machine.home)
    for _level in range(3000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(before)
    archive(machine)
    assert list(machine.home.parent.iterdir()) == []


LEAVE = Change("bob", "leave", "project", "", "")
ARCHIVE = Change("bob", "archive", None, "", "")


def test_what_fails_is_one_sentence_and_the_rest_is_done(machine: Machine) -> None:
    machine.work("one")
    hands = applier(machine)
    removed = Change("bob", "no_jobs", (str(machine.home / "results"),), "", "")
    # The first three fail here in different ways: a program that says no, a file that cannot be removed, a project without a group.
    machine.broken = "gpasswd"
    nowhere = Change("ada", "no_jobs", ("/proc/version",), "", "")
    folder = Change("imaging", "folder", Project("imaging", str(machine.home / "project"), "no-such-group"), "", "")
    assert hands.apply([LEAVE, nowhere, folder, removed]) == [removed]
    assert not (machine.home / "results").exists()
    assert [sentence.partition(": ")[0] for sentence in hands.failures[:2]] == ["account 'bob'", "account 'ada'"]
    assert "No space left" in hands.failures[0] and "at /proc/version" in hands.failures[1]
    assert hands.failures[2].startswith("project 'imaging': ")


def test_nothing_else_is_tried_without_an_account(machine: Machine) -> None:
    machine.broken = "useradd"
    hands = applier(machine)
    assert hands.apply([Change("ada", "create", ["x"], "", ""), Change("ada", "linger", True, "", "")]) == []
    assert len(hands.failures) == 1


def test_the_home_of_somebody_who_is_not_out_is_not_archived(machine: Machine) -> None:
    machine.work("one")
    machine.broken = "gpasswd"
    hands = applier(machine)
    assert hands.apply([LEAVE]) == []
    assert hands.apply([ARCHIVE]) == []
    assert machine.home.exists()
    machine.broken = ""
    assert applier(machine).apply([ARCHIVE]) == [ARCHIVE]
    assert not machine.home.exists()


def test_no_program_fills_the_screen(machine: Machine) -> None:
    hands = applier(machine)
    with hands.noting("account 'bob': "):
        raise applying.RefusedError("\x1b[2J" + 10_000 * "x")
    assert len(hands.failures[0]) < 1100
    assert "\x1b" not in hands.failures[0]


def test_processes_of_the_system_are_never_killed() -> None:
    with pytest.raises(applying.RefusedError, match="found uid 0"):
        applying.kill_all(0)


# It stops whoever it may, all the time, and so whoever comes to kill it.
STOPS_ALL = """
import os, signal
os.setresuid({uid}, {uid}, {uid})
print("begun", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    os.kill(-1, signal.SIGSTOP)
"""
KILL = "from ansible_collections.openlab.research_server.plugins.module_utils._accounts import applying; applying.kill_all({uid})"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_nobody_stops_who_kills_him() -> None:
    uid = 59_999
    for _round in range(5):
        stopper = subprocess.Popen(
            [sys.executable, "-c", STOPS_ALL.format(uid=uid)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert stopper.stdout is not None
        assert stopper.stdout.readline() == "begun\n"
        try:
            subprocess.run([sys.executable, "-c", KILL.format(uid=uid)], check=True, timeout=60)
            assert stopper.wait(10) == -signal.SIGKILL
        finally:
            stopper.kill()
            stopper.stdout.close()
