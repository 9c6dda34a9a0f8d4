# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.unit.roles.program import load

TOLD = {"ports": {"alice": 20207}, "listen": "port", "conda_root": "/opt/miniconda3"}


@pytest.fixture
def program() -> types.ModuleType:
    return load("jupyter", "lab_jupyter")


@pytest.fixture
def told(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(program, "TOKENS", tmp_path)
    path = tmp_path / "told.json"
    path.write_text(json.dumps(TOLD))
    return path


def token(folder: Path) -> str:
    (folder / "alice").mkdir(exist_ok=True)
    (folder / "alice" / "token").write_text("t" * 43 + "\n")
    return "t" * 43


def test_what_administrators_have_written_is_read(program: types.ModuleType, told: Path) -> None:
    assert program.told_of("alice", told) == (20207, "port", "/opt/miniconda3", [], False)
    told.write_text(json.dumps({**TOLD, "web": ["https://web.lab.example"]}))
    assert program.told_of("alice", told).web == ["https://web.lab.example"]
    told.write_text(json.dumps({**TOLD, "web_login": True}))
    assert program.told_of("alice", told).web_login
    with pytest.raises(program.RefusedError, match="bob has no JupyterLab"):
        program.told_of("bob", told)
    for text in ("", "[]", '{"alice": 20207}'):
        told.write_text(text)
        with pytest.raises(program.RefusedError, match="tell an administrator"):
            program.told_of("alice", told)


@pytest.mark.parametrize(("listen", "far"), [("port", "127.0.0.1:20207"), ("socket", "/run/lab-jupyter/alice.sock")])
@pytest.mark.usefixtures("told")
def test_the_owner_is_told_how_to_connect(
    program: types.ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    listen: str,
    far: str,
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 2222")
    hers = program.Told(20207, listen, "/opt/miniconda3", [])
    with pytest.raises(program.RefusedError, match="systemctl status jupyter@alice"):
        program.show("alice", hers)
    secret = token(tmp_path)
    program.show("alice", hers)
    shown = capsys.readouterr().out
    assert f"ssh -N -L 20207:{far} -p 2222 alice@" in shown
    assert f"http://127.0.0.1:20207/lab?token={secret}\n" in shown and "https" not in shown
    program.show("alice", hers._replace(web=["https://web.lab.example"]))
    shown = capsys.readouterr().out
    for address in ("https://web.lab.example", "http://127.0.0.1:20207"):
        assert f"    {address}/user/alice/lab?token={secret}\n" in shown
    program.show("alice", hers._replace(web=["https://web.lab.example"], web_login=True))
    web, tunnel = capsys.readouterr().out.split("On your own computer")
    assert "    https://web.lab.example/user/alice/lab\n" in web and secret not in web and secret in tunnel


@pytest.mark.usefixtures("told")
def test_a_renewed_token_is_another_and_private(program: types.ModuleType, tmp_path: Path) -> None:
    old = token(tmp_path)
    (tmp_path / "alice" / "cookie_secret").touch()
    program.renew("alice")
    path = tmp_path / "alice" / "token"
    assert program.token_of("alice") != old and len(program.token_of("alice")) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]


@pytest.mark.usefixtures("told")
def test_who_comes_back_before_the_token_is_renewed_is_not_let_in(
    program: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is open wakes the server at once."""
    done: list[object] = []
    monkeypatch.setattr(program, "stop", lambda _group, force: done.append(force))
    monkeypatch.setattr(program, "renew", done.append)
    monkeypatch.setattr(program, "show", lambda name, _told: done.append(f"show {name}"))
    monkeypatch.setattr(program, "token_of", lambda _name: "")
    command = program.Command.__new__(program.Command)
    command.name, command.force, command.group, command.told = "alice", False, Path("/x"), None
    command.renew()
    assert done == [False, "alice", "show alice", True]
    # In JupyterLab's own terminal nothing is done after what ends it.
    done.clear()
    command.force = True
    command.renew()
    assert done == ["alice", "show alice", True]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Path]:
    """The control group of a service in which a server and a kernel run."""
    sleep = "import time; time.sleep(60)"
    kernel = f"kernel-{'0' * 8}-0000-0000-0000-{'0' * 12}.json"
    commands = [[sys.executable, "-c", sleep, kernel], [sys.executable, "-c", sleep, "x"]]
    server = tmp_path / "jupyter-serve"
    server.write_text(sleep)
    running = [subprocess.Popen(command) for command in (*commands[:1], [sys.executable, str(server)])]
    folder = tmp_path / "user-1.slice" / "jupyter@alice.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("".join(f"{process.pid}\n" for process in running))
    for name, text in {
        "memory.current": "1610612736\n",
        "memory.max": "max\n",
        "pids.current": "12\n",
        "pids.max": "4915\n",
        "cpu.stat": "usage_usec 12000000\nuser_usec 1\n",
        "cpu.max": "200000 100000\n",
    }.items():
        (folder.parent / name).write_text(text)
    for process in running:
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
            pass
    yield folder
    for process in running:
        process.kill()
        process.wait()


def test_the_state_is_read_from_the_kernel(program: types.ModuleType, group: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.status("alice", program.Told(20207, "port", "/c", []), group)
    shown = " ".join(capsys.readouterr().out.split())
    assert "awake at 127.0.0.1:20207, 1 kernels, 0 other processes" in shown
    assert "memory 1.5G of no limit" in shown and "tasks 12 of 4915" in shown and "CPU 12s of 200%" in shown
    (group / "cgroup.procs").write_text("")
    program.status("alice", program.Told(20207, "port", "/c", []), group)
    assert "asleep; the first connection to 127.0.0.1:20207 wakes it" in capsys.readouterr().out


def test_a_server_at_work_is_ended_only_by_force(program: types.ModuleType, group: Path) -> None:
    with pytest.raises(program.RefusedError, match="1 kernels would end with it"):
        program.stop(group, False)
    server = int((group / "cgroup.procs").read_text().split()[1])
    child = os.getpgid(server)
    assert child
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whom it ends is gone at once, as on a host
    try:
        assert program.stop(group, True)
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    (group / "cgroup.procs").write_text("")
    assert not program.stop(group, False), "nothing is there to be ended"


def environment(folder: Path, ipykernel: bool) -> Path:
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\nexit {0 if ipykernel else 1}\n")
    python.chmod(0o755)
    return folder


def test_an_environment_of_ones_own_becomes_a_kernel_and_is_taken_back(program: types.ModuleType, tmp_path: Path) -> None:
    told = program.Told(20207, "port", "/opt/my conda", [])
    prefix = environment(tmp_path / "envs" / "My Env", True)
    assert program.add(tmp_path, prefix, told) == program.add(tmp_path, prefix, told) == "my-env"
    folder = tmp_path / ".local/share/jupyter/kernels/my-env"
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"] == ["/bin/bash", f"{folder}/start", "-f", "{connection_file}"]
    assert subprocess.run(["bash", "-n", folder / "start"], check=False).returncode == 0
    assert f"'{prefix}/bin/python'" in (folder / "start").read_text().replace("'/bin/python", "/bin/python'")
    program.remove(tmp_path, "my-env")
    assert not folder.exists() and prefix.exists()
    assert program.add(tmp_path, prefix, told, "../Other one") == "other-one"


def test_no_kernel_hides_another(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter looks in a person's own folder first, and many environments are called `env`."""
    told = program.Told(20207, "port", "/c", [])
    monkeypatch.setitem(program.KERNELS, "lab", tmp_path / "shared")
    (tmp_path / "shared" / "nlp").mkdir(parents=True)
    with pytest.raises(program.RefusedError, match=r"'nlp', a kernel of the lab, .* kernels add .*/nlp NAME"):
        program.add(tmp_path, environment(tmp_path / "nlp", True), told)
    first, second = (environment(tmp_path / name / "env", True) for name in ("one", "two"))
    program.add(tmp_path, first, told)
    with pytest.raises(program.RefusedError, match=f"'env', your kernel of {first}; give yours another name"):
        program.add(tmp_path, second, told)
    (tmp_path / program.KERNELS["yours"] / "two").mkdir()
    assert program.add(tmp_path, second, told, "two") == "two", "an empty folder is in nobody's way"


def test_what_is_no_kernel_is_refused(program: types.ModuleType, tmp_path: Path) -> None:
    told = program.Told(20207, "port", "/c", [])
    with pytest.raises(program.RefusedError, match="found no bin/python"):
        program.add(tmp_path, tmp_path, told)
    with pytest.raises(program.RefusedError, match="found no ipykernel"):
        program.add(tmp_path, environment(tmp_path / "bare", False), told)
    folder = tmp_path / ".local/share/jupyter/kernels/mine"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text("{}")
    with pytest.raises(program.RefusedError, match="did not make"):
        program.add(tmp_path, environment(tmp_path / "mine", True), told)
    (folder / "kernel.json").write_text('{"metadata": null}')
    with pytest.raises(program.RefusedError, match="did not make"):
        program.add(tmp_path, tmp_path / "mine", told)
    for name in ("mine", "absent", "../kernels"):
        with pytest.raises(program.RefusedError):
            program.remove(tmp_path, name)
    assert (folder / "kernel.json").exists()


def test_kernels_are_listed_with_whose_they_are(
    program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared"
    (shared / "lab").mkdir(parents=True)
    (shared / "lab" / "kernel.json").write_text(json.dumps({"display_name": "Lab", "metadata": {"x": {"prefix": "/opt/e/lab"}}}))
    (shared / "odd").mkdir()
    (shared / "odd" / "kernel.json").write_text("[")
    (shared / "list").mkdir()
    (shared / "list" / "kernel.json").write_text('{"display_name": [], "argv": ["x"]}')
    monkeypatch.setitem(program.KERNELS, "lab", shared)
    program.kernels(tmp_path, tmp_path)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["lab", "lab", "Lab", "/opt/e/lab"], ["list", "lab", "[]", "x"], ["odd", "lab", "?", "?"]]


def test_a_full_home_is_told_in_one_line(program: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_arguments: list[str]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/home/ada/.local")

    monkeypatch.setattr(program, "act", full)
    assert program.main([]) == "lab-jupyter: [Errno 28] No space left on device: '/home/ada/.local'"


@pytest.mark.parametrize("words", [["what"], ["token"], ["kernels", "add"], ["status", "x"], ["logs", "1", "2"]])
def test_other_words_are_answered_with_those_that_there_are(program: types.ModuleType, words: list[str]) -> None:
    with pytest.raises(program.RefusedError, match="lab-jupyter kernels add PREFIX"):
        program.act(words)
