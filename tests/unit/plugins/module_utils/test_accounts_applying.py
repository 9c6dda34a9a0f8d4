# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes become archives with a real tar, below a temporary folder."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils import _leavers
from ansible_collections.openlab.research_server.plugins.modules import accounts


class Machine:
    """As much of AnsibleModule, and of a host, as archiving needs."""

    def __init__(self, folder: Path) -> None:
        self.params = {"archive_dir": str(folder / "archives")}
        self.home = folder / "home" / "bob"
        self.broken = False

    def run_command(self, argv: list[str], **_unused: t.Any) -> tuple[int, str, str]:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (2 if self.broken else done.returncode), done.stdout, "No space left" if self.broken else done.stderr

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
    monkeypatch.setattr(accounts.pwd, "getpwnam", lambda _name: entry)
    return made


def archive(machine: Machine) -> None:
    accounts.Applier(t.cast("t.Any", machine), []).do_archive("bob", None)


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
    machine.broken = True
    with pytest.raises(accounts.RefusedError, match="No space left"):
        archive(machine)
    assert (machine.home / "results").read_text() == "one"
    assert machine.archives == []


def test_an_interrupted_removal_is_finished_and_nothing_is_archived_twice(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.work("one")

    def killed(path: str) -> None:
        os.unlink(f"{path}/results")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(accounts.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            archive(machine)
    assert not machine.home.exists()
    assert os.path.isdir(_leavers.rest(str(machine.home)))
    archive(machine)
    assert list(machine.home.parent.iterdir()) == []
    assert machine.archives == ["bob-1001.tar"]
    assert machine.read("bob-1001.tar") == b"one"
