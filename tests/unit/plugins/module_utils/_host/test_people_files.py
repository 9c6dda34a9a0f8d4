# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real files in a real folder. What only root or another account can do is in molecule/colleague."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import people_files as files
from ansible_collections.openlab.research_server.plugins.module_utils._host.people_files import Found, OddError

PARTS = (".ssh", "keys")
ME = (os.getuid(), os.getgid())
SECRET = "a secret of somebody else\n"


class Home:
    """A home, and a handle of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.ssh = self.folder / ".ssh"
        self.keys = self.ssh / "keys"
        self.ssh.mkdir(parents=True, mode=0o700)
        self.handle = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)

    def read(self, **options: t.Any) -> Found:
        try:
            return files.read_in(self.handle, str(self.folder), PARTS, **options)
        except OddError as odd:
            return files.found_instead(odd, str(self.folder), PARTS)

    def write(self, text: str = "new\n", **options: t.Any) -> None:
        files.write_in(self.handle, str(self.folder), PARTS, text, person=ME, **options)

    def remove(self) -> None:
        files.remove_in(self.handle, str(self.folder), PARTS)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    os.close(made.handle)
    assert made.secret.read_text() == SECRET


def no_ssh(home: Home) -> None:
    home.ssh.rmdir()


def link_for_ssh(home: Home) -> None:
    home.ssh.rmdir()
    (home.folder / "elsewhere").mkdir()
    (home.folder / "elsewhere" / "keys").write_text("old\n")
    home.ssh.symlink_to("elsewhere")


def pipe_for_ssh(home: Home) -> None:
    home.ssh.rmdir()
    os.mkfifo(home.ssh)


def file_for_ssh(home: Home) -> None:
    home.ssh.rmdir()
    home.ssh.write_text("")


def folder(home: Home) -> None:
    (home.keys / "deep").mkdir(parents=True)


def socket_file(home: Home) -> None:
    # The name of a socket may have 107 bytes.
    before = os.open(".", os.O_RDONLY)
    os.chdir(home.ssh)
    socket.socket(socket.AF_UNIX).bind("keys")
    os.fchdir(before)
    os.close(before)


def hard_link(home: Home) -> None:
    home.keys.write_text("old\n")
    os.link(home.keys, home.folder / "other")


def sparse(home: Home) -> None:
    with home.keys.open("w") as stream:
        stream.truncate(10**12)


ODD: dict[Callable[[Home], object], tuple[str, str]] = {
    link_for_ssh: ("a link", ".ssh"),
    pipe_for_ssh: ("a pipe", ".ssh"),
    file_for_ssh: ("a file", ".ssh"),
    folder: ("a folder", ".ssh/keys"),
    socket_file: ("a socket", ".ssh/keys"),
    lambda home: os.mkfifo(home.keys): ("a pipe", ".ssh/keys"),
    lambda home: home.keys.symlink_to(home.secret): ("a link", ".ssh/keys"),
    lambda home: home.keys.symlink_to("/dev/zero"): ("a link", ".ssh/keys"),
    lambda home: home.keys.symlink_to("nowhere"): ("a link", ".ssh/keys"),
    lambda home: home.keys.write_bytes(b"\xff\n"): ("a file with bytes that are no UTF-8", ".ssh/keys"),
    hard_link: ("a file with several names (hard links)", ".ssh/keys"),
    sparse: ("a file of 1,000,000,000,000 bytes", ".ssh/keys"),
    lambda home: home.keys.write_bytes(b"x" * (files.LIMIT + 1)): ("a file of 1,048,577 bytes", ".ssh/keys"),
}


def inode(path: Path) -> int:
    return os.lstat(path).st_ino


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_is_named_and_put_aside_and_replaced(home: Home, odd: Callable[[Home], object]) -> None:
    odd(home)
    what, where = ODD[odd]
    found = home.read()
    assert (found.oddity, found.path, found.movable) == (what, str(home.folder / where), True)
    assert found.on_the_way is (where == ".ssh")
    thing = inode(home.folder / where)
    home.write()
    assert home.keys.read_text() == "new\n"
    assert not home.keys.is_symlink() and not home.ssh.is_symlink()
    assert inode(home.folder / f"{where}.replaced.1") == thing
    assert home.read() == Found("new\n", path=str(home.keys), folder=(ME[0], 0o700), file=(ME[0], 0o600))


@pytest.mark.parametrize("odd", ODD)
def test_a_leaver_keeps_odd_things_and_no_keys(home: Home, odd: Callable[[Home], object]) -> None:
    odd(home)
    thing = inode(home.folder / ODD[odd][1])
    home.remove()
    assert not os.path.lexists(home.keys)
    assert inode(home.folder / f"{ODD[odd][1]}.replaced.1") == thing


@pytest.mark.parametrize("nothing", [no_ssh, lambda _home: None])
def test_nothing_is_nothing_odd(home: Home, nothing: Callable[[Home], object]) -> None:
    nothing(home)
    with pytest.raises(FileNotFoundError):
        home.read()
    home.remove()
    home.write()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home.ssh, home.keys)] == [0o700, 0o600]


def test_an_ordinary_file_is_read_replaced_and_removed(home: Home) -> None:
    home.keys.write_text("old\n")
    home.keys.chmod(0o644)
    assert home.read() == Found("old\n", path=str(home.keys), folder=(ME[0], 0o700), file=(ME[0], 0o644))
    home.write(mode=0o640)
    assert home.read().file == (ME[0], 0o640)
    assert [path.name for path in home.ssh.iterdir()] == ["keys"]
    home.remove()
    assert list(home.ssh.iterdir()) == []


def test_a_limit_is_a_limit(home: Home) -> None:
    home.keys.write_text("12345")
    assert home.read(limit=5).text == "12345"
    assert home.read(limit=4).oddity == "a file of 5 bytes"


def test_a_file_of_the_system_that_never_ends_is_cut(home: Home) -> None:
    """Its size is said to be 0."""
    handle = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    with files._held(handle):
        assert "a file of 11 bytes" in files.read_in(handle, "/proc/self", ("status",), limit=10).oddity


def test_a_lease_does_not_make_root_wait(home: Home) -> None:
    home.keys.write_text("old\n")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with home.keys.open("r+") as stream:
        fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        signal.alarm(10)
        assert home.read().oddity == "no way to read (Resource temporarily unavailable)"
        home.write()
        signal.alarm(0)
    signal.signal(signal.SIGIO, before)
    assert home.keys.read_text() == "new\n"


def test_names_that_are_taken_are_left_alone(home: Home) -> None:
    home.keys.mkdir()
    for number in range(1, 4):
        (home.ssh / f"keys.replaced.{number}").write_text(str(number))
    home.write()
    assert (home.ssh / "keys.replaced.4").is_dir()
    assert (home.ssh / "keys.replaced.3").read_text() == "3"


def test_not_more_than_a_hundred_things_are_put_aside(home: Home) -> None:
    home.keys.mkdir()
    for number in range(1, files.ASIDE + 1):
        (home.ssh / f"keys.replaced.{number}").write_text("")
    with pytest.raises(OddError, match=r"found a folder, and 100 things put aside before, at .*/\.ssh/keys"):
        home.write()
    assert [path.name for path in home.ssh.iterdir() if path.name.startswith(".")] == []


def test_what_is_mounted_is_not_asked_and_not_moved(home: Home) -> None:
    """/dev/shm and /dev are two file systems everywhere."""
    handle = os.open("/dev", os.O_PATH | os.O_DIRECTORY)
    with files._held(handle):
        for action in (files.read_in, files.remove_in):
            with pytest.raises(OddError, match="found a mounted file system at /dev/shm") as caught:
                action(handle, "/dev", ("shm", "keys"))
            assert not caught.value.movable


def test_a_file_is_whole_or_not_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.keys.write_text("old\n")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        home.write()
    assert [path.name for path in home.ssh.iterdir()] == ["keys"]
    assert home.keys.read_text() == "old\n"


def test_above_a_home_only_root_can_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "bob").mkdir()
    found = files.read(str(tmp_path / "bob"), PARTS)
    assert found.oddity == "a folder that others than root can write to"
    assert not found.movable
    with pytest.raises(OddError):
        files.write(str(tmp_path / "bob"), PARTS, "new\n", person=ME)
    with pytest.raises(OddError):
        files.make_home(str(tmp_path / "bob"), ME, 0o700)
    assert list((tmp_path / "bob").iterdir()) == []


@pytest.mark.parametrize(
    ("home", "oddity"),
    [("/nowhere/bob", ""), ("/", "the root of all folders"), ("/etc/passwd", "a file"), ("/dev/null", "a device")],
)
def test_a_home_that_is_none(home: str, oddity: str) -> None:
    assert files.read(home, PARTS).oddity == oddity


def test_a_file_that_cannot_be_put_aside_is_not_on_the_way() -> None:
    for path, on_the_way in (("/h/.ssh/keys", False), ("/h/.ssh", True), ("/h", True)):
        odd = OddError("a mounted file system", path, movable=False)
        assert files.found_instead(odd, "/h", PARTS).on_the_way is on_the_way
