# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import os
import select
import socket
import stat
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.unit.roles.program import load


@pytest.fixture
def program() -> types.ModuleType:
    return load("jupyter", "jupyter_serve")


def test_a_token_is_made_once_and_is_private(program: types.ModuleType, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        token = program.keep_token(tmp_path / "token")
    finally:
        os.umask(old)
    assert len(token) >= 43  # 32 random bytes
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert program.keep_token(tmp_path / "token") == token
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_token_that_others_could_read_is_replaced(program: types.ModuleType, tmp_path: Path, mode: int) -> None:
    token = program.keep_token(tmp_path / "token")
    (tmp_path / "token").chmod(mode)
    assert program.keep_token(tmp_path / "token") != token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 50])
def test_what_is_no_token_is_replaced(program: types.ModuleType, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    (tmp_path / "token").chmod(0o600)
    assert len(program.keep_token(tmp_path / "token")) >= 43


def test_a_link_is_replaced_and_not_followed(program: types.ModuleType, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("x" * 50)
    other.chmod(0o600)
    (tmp_path / "token").symlink_to(other)
    assert program.keep_token(tmp_path / "token") != "x" * 50
    assert not (tmp_path / "token").is_symlink()
    assert other.read_text() == "x" * 50


def test_root_is_refused(program: types.ModuleType) -> None:
    account = types.SimpleNamespace(pw_uid=0, pw_name="toor", pw_dir="/root")
    with pytest.raises(program.RefusedError, match="not served to root"):
        program.serve(account, [])


def test_a_home_that_cannot_be_written_is_told(program: types.ModuleType, tmp_path: Path) -> None:
    account = types.SimpleNamespace(pw_uid=1000, pw_name="alice", pw_dir=str(tmp_path / "absent"))
    with pytest.raises(program.RefusedError, match="jupyter_writable_paths"):
        program.serve(account, [])


@pytest.mark.parametrize(
    ("folder", "says"),
    [("absent", "No such file"), ("link", "found a link"), ("file", "found a link or a file"), ("folder", "can be written here")],
)
def test_keys_that_a_notebook_could_add_are_refused(program: types.ModuleType, tmp_path: Path, folder: str, says: str) -> None:
    keys = tmp_path / ".ssh"
    if folder == "link":
        (tmp_path / "dotfiles").mkdir()
        keys.symlink_to("dotfiles")
    elif folder == "file":
        keys.touch()
    elif folder == "folder":
        keys.mkdir()
    with pytest.raises(program.RefusedError, match=says):
        program.check_keys(tmp_path)


@pytest.mark.parametrize("computes", [True, False])
def test_systemd_waits_for_who_computes(
    program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computes: bool
) -> None:
    used = itertools.count(step=0.2 if computes else 0.01)
    monkeypatch.setattr(program.time, "process_time", lambda: next(used))
    monkeypatch.setattr(program, "LOOK_EVERY", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/n")
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/n")
        ready = program.starting()
        assert "NOTIFY_SOCKET" not in os.environ, "kernels do not inherit it"
        systemd.settimeout(10)
        if computes:
            assert systemd.recv(100) == b"EXTEND_TIMEOUT_USEC=60000000"
        while next(used) < 1:
            time.sleep(0.01)
        ready()
        while (said := systemd.recv(100)) != b"READY=1":
            assert computes and said.startswith(b"EXTEND")


def test_without_systemd_nobody_is_told(program: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    program.starting()()


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_only_a_socket_of_systemds_is_taken(program: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, number in (("", ""), ("1", "1"), (str(os.getpid()), "2")):
        monkeypatch.setenv("LISTEN_PID", pid)
        monkeypatch.setenv("LISTEN_FDS", number)
        with pytest.raises(program.RefusedError, match="no socket of systemd's"):
            program.take_door()
        assert "LISTEN_FDS" not in os.environ, "kernels do not inherit it"


def test_a_visitor_is_noticed_and_others_connections_are_not(program: types.ModuleType, door: socket.socket) -> None:
    assert not program.visited(door)
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_connection(other.getsockname()):
        accepted, _address = other.accept()
        with accepted:
            assert not program.visited(door)
    with socket.create_connection(door.getsockname()):
        accepted, _address = door.accept()
        with accepted:
            assert program.visited(door)
    assert not program.visited(door)


def test_a_visitor_of_a_unix_socket_is_noticed(program: types.ModuleType, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door, socket.socket(socket.AF_UNIX) as visitor:
        door.bind(str(tmp_path / "s"))
        door.listen()
        assert not program.visited(door)
        visitor.connect(str(tmp_path / "s"))
        accepted, _address = door.accept()
        with accepted:
            assert program.visited(door)


def test_looking_leaves_what_is_open_as_it_is(program: types.ModuleType, door: socket.socket, tmp_path: Path) -> None:
    def opened() -> set[str]:
        return {name for name in os.listdir("/proc/self/fd") if Path("/proc/self/fd", name).exists()}

    with (tmp_path / "notebook").open("wb"), socket.create_connection(door.getsockname()) as visitor:
        accepted, _address = door.accept()
        with accepted:
            accepted.setblocking(False)
            before = opened()
            for _look in range(3):
                assert program.visited(door)
            assert opened() == before and not accepted.getblocking()
            visitor.sendall(b"still there")
            assert select.select([accepted], [], [], 10)[0] and accepted.recv(20) == b"still there"
        before = opened()
        for _look in range(3):
            assert not program.visited(door)
        assert opened() == before


def test_the_smallest_limit_above_it_counts(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "group", lambda: "/user.slice/user-1.slice/jupyter@a.service")
    assert program.memory_limit(tmp_path) == 0
    folder = tmp_path
    for part, text in (("user.slice", "max"), ("user-1.slice", "5000"), ("jupyter@a.service", "9000")):
        folder /= part
        folder.mkdir()
        (folder / "memory.max").write_text(f"{text}\n")
    assert program.memory_limit(tmp_path) == 5000


def test_a_server_with_other_methods_is_refused(program: types.ModuleType, door: socket.socket) -> None:
    with pytest.raises(program.RefusedError, match="_bind_http_server"):
        program.listen_at(door, types.SimpleNamespace(_find_http_port=None, shutdown_no_activity=None))


def test_only_who_is_unused_ends(program: types.ModuleType, door: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        ended = 0

        def _find_http_port(self) -> None:
            raise AssertionError("it would look for a port")

        def _bind_http_server(self) -> None:
            raise AssertionError("it would listen")

        def shutdown_no_activity(self) -> None:
            Server.ended += 1

    added: list[list[socket.socket]] = []
    program.listen_at(door, Server)
    server = Server()
    server.http_server = types.SimpleNamespace(add_sockets=added.append)  # type: ignore[attr-defined]
    server._find_http_port()
    server._bind_http_server()
    assert added == [[door]]
    for alone, visited, ended in ((True, True, 0), (False, False, 0), (True, False, 1)):
        monkeypatch.setattr(program, "alone", lambda alone=alone: alone)
        monkeypatch.setattr(program, "visited", lambda _door, visited=visited: visited)
        server.shutdown_no_activity()
        assert Server.ended == ended


def test_the_word_of_the_hub_lets_in_and_nothing_else(program: types.ModuleType, tmp_path: Path) -> None:
    door = tmp_path / "ada"
    assert not program.let_in(door, ""), "there is no hub"
    door.write_text("")
    assert not program.let_in(door, "")
    door.write_text("word\n")
    assert program.let_in(door, "word")
    assert not any(program.let_in(door, wrong) for wrong in ("", "wor", "word\n", "words", "w\u00f6rd"))
