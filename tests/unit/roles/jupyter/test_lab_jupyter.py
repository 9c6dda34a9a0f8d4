# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import json
import os
import socket
import stat
import types
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[4] / "roles" / "jupyter" / "files" / "lab_jupyter.py"


@pytest.fixture
def program() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("lab_jupyter", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


@pytest.mark.parametrize("text", ["", "short\n"])
def test_an_empty_or_short_token_is_replaced(program: types.ModuleType, tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
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


def test_a_port_is_looked_up(program: types.ModuleType, tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    ports.write_text(json.dumps({"alice": 20207}))
    assert program.port_of("alice", ports) == 20207
    with pytest.raises(program.RefusedError, match="bob has no JupyterLab"):
        program.port_of("bob", ports)
    with pytest.raises(program.RefusedError, match="No such file"):
        program.port_of("alice", tmp_path / "absent")


def test_root_is_refused(program: types.ModuleType) -> None:
    account = types.SimpleNamespace(pw_uid=0, pw_name="toor", pw_dir="/root")
    with pytest.raises(program.RefusedError, match="not served to root"):
        program.serve(account, 20207, [])


def test_a_home_that_cannot_be_written_is_told(program: types.ModuleType, tmp_path: Path) -> None:
    account = types.SimpleNamespace(pw_uid=1000, pw_name="alice", pw_dir=str(tmp_path / "absent"))
    with pytest.raises(program.RefusedError, match="jupyter_writable_paths"):
        program.serve(account, 20207, [])


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


def test_systemd_is_told_once(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/n")
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/n")
        program.tell_systemd("READY=1")
        assert systemd.recv(100) == b"READY=1"
        assert "NOTIFY_SOCKET" not in os.environ, "kernels do not inherit it"
        systemd.setblocking(False)
        program.tell_systemd("READY=1")
        with pytest.raises(BlockingIOError):
            systemd.recv(100)


def test_the_owner_is_told_how_to_connect(
    program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "TOKENS", tmp_path)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 2222")
    with pytest.raises(program.RefusedError, match="systemctl status jupyter@alice"):
        program.show("alice", 20207)
    (tmp_path / "alice").mkdir()
    token = program.keep_token(tmp_path / "alice" / "token")
    program.show("alice", 20207)
    shown = capsys.readouterr().out
    assert "ssh -N -L 20207:127.0.0.1:20207 -p 2222 alice@" in shown
    assert f"http://127.0.0.1:20207/lab?token={token}\n" in shown
