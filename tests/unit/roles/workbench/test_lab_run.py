# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lab-run decides without a service manager; the scenario has a real one."""

from __future__ import annotations

import errno
import json
import os
import pwd
import stat
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.unit.roles.program import load

# What systemd-run is asked for, with the variables that it is to hand on.
SYSTEMD_RUN = """#!/bin/sh
for word; do echo "$word"; done > asked
exit ${FAILS:-0}
"""


@pytest.fixture
def program() -> types.ModuleType:
    return load("workbench", "lab_run")


@pytest.fixture
def ada(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Somebody in her home, with a service manager that writes down what it is asked for."""
    account = types.SimpleNamespace(pw_name="ada", pw_uid=os.getuid(), pw_dir=str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemd-run").write_text(SYSTEMD_RUN)
    (tmp_path / "bin/systemd-run").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(program, "need_manager", lambda _account: None)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: account)
    return account


@pytest.mark.parametrize(
    ("command", "taken", "name"),
    [
        (["python", "train.py", "--lr", "1"], [], "train"),
        (["python", "-u", "train.py"], ["train", "train-2"], "train-3"),
        (["conda", "run", "-n", "demo", "python", "train.py"], [], "train"),
        (["/usr/bin/sleep", "10"], [], "sleep"),
        (["./my odd$(x).sh"], [], "my-odd-x-"),
        (["-"], [], "job"),
        (["实验"], [], "job"),
        (["x" * 300], [], "x" * 50),
    ],
)
def test_a_job_is_called_after_its_script(
    program: types.ModuleType, ada: types.SimpleNamespace, command: list[str], taken: list[str], name: str
) -> None:
    Path("train.py").touch()
    assert program.name_for(command, taken) == name and program.NAME.fullmatch(name)


def test_a_job_has_the_environment_of_the_person_and_nothing_of_the_login(program: types.ModuleType) -> None:
    mine = {"CONDA_PREFIX": "/x", "PATH": "/x/bin", "TABS": "a\tb\nc", "NAME": "实验", "LC_ALL": "C"}
    others = {
        "SSH_CONNECTION": "x",
        "SSH_AUTH_SOCK": "x",
        "TMUX": "x",
        "TMUX_PANE": "x",
        "XDG_SESSION_ID": "1",
        "_": "x",
        "TERM": "x",
    }
    refused = {"BASH_FUNC_x%%": "() { :; }", "LESS_TERMCAP_md": "\x1b[1m", "BAD": "\udcff", "DEL": "\x7f"}
    assert program.environment({**mine, **others, **refused}) == sorted(mine)


@pytest.mark.parametrize(
    ("told", "result"),
    [
        (("success", "exited", "0"), "done"),
        (("exit-code", "exited", "3"), "failed: status 3"),
        (("success", "killed", "TERM"), "stopped"),
        (("signal", "killed", "SEGV"), "failed: SEGV"),
        (("oom-kill", "killed", "KILL"), "failed: out of memory"),
        (("timeout", "", ""), "failed: timeout"),
    ],
)
def test_how_a_job_ended(program: types.ModuleType, told: tuple[str, str, str], result: str) -> None:
    assert program.ending(*told) == result


def run(program: types.ModuleType, *arguments: str) -> str:
    return program.main(list(arguments)) or ""


def test_a_job_is_asked_for_word_by_word(program: types.ModuleType, ada: types.SimpleNamespace, capsys: t.Any) -> None:
    assert run(program, "--name", "one", "--", "echo", "$HOME ${x}", "a b", "100%", "--name") == ""
    asked = Path("asked").read_text().splitlines()
    assert asked[asked.index("--") + 2 :] == ["$$HOME $${x}", "a b", "100%", "--name"]
    assert f"--property=StandardOutput=append:{ada.pw_dir}/lab-run/one.log" in asked and "--setenv=PYTHONUNBUFFERED" in asked
    assert not [word for word in asked if word.startswith("--setenv=") and "=" in word[9:]], "values are not for everybody's eyes"
    assert "tail -f" in capsys.readouterr().out
    folder = Path(ada.pw_dir, "lab-run")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and stat.S_IMODE((folder / "one.log").stat().st_mode) == 0o600


def test_a_name_is_for_one_job(program: types.ModuleType, ada: types.SimpleNamespace) -> None:
    assert run(program, "--name", "one", "--", "true") == ""
    Path("lab-run/one.log").write_text("results\n")
    assert "found a job 'one' already" in run(program, "--name", "one", "--", "true")
    assert Path("lab-run/one.log").read_text() == "results\n"


def test_what_could_not_be_started_leaves_nothing(
    program: types.ModuleType, ada: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "1")
    assert "could not be started" in run(program, "--name", "one", "--", "true")
    assert list(Path("lab-run").iterdir()) == []


def test_where_there_is_no_room_nothing_begins(
    program: types.ModuleType, ada: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert "No space left on device" in run(program, "--name", "one", "--", "true")
    assert list(Path("lab-run").iterdir()) == [], "or the next try would find a job of that name"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--name", "../x", "--", "true"], "--name: found '../x'"),
        (["--mail", "-x@y", "--", "true"], ""),
        (["--mail=a b", "--", "true"], "--mail: found 'a b'"),
        (["--", "no-such-program"], "found no program 'no-such-program'"),
        (["python", "train.py"], "lab-run stop NAME"),
        (["--name", "x", "--"], "lab-run stop NAME"),
        (["--help"], "list your jobs"),
        (["stop", "../x"], "lab-run stop NAME"),
    ],
)
def test_what_makes_no_sense_is_told(
    program: types.ModuleType, ada: types.SimpleNamespace, arguments: list[str], says: str
) -> None:
    try:
        said = run(program, *arguments)
    except SystemExit as end:
        said = f"status {end.code}"
    assert said and says in said
    assert not Path("lab-run").exists()


def test_the_end_is_written_down_and_told(
    program: types.ModuleType, ada: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: t.Any
) -> None:
    sendmail = Path("sendmail")
    sendmail.write_text('#!/bin/sh\necho "$@" > letter; cat >> letter\n')
    sendmail.chmod(0o755)
    monkeypatch.setattr(program, "SENDMAIL", str(sendmail.resolve()))
    assert run(program, "--name", "one", "--mail", "ada@lab.example", "--", "echo", "hi") == ""
    Path("lab-run/one.log").write_bytes(b"x" * 100_000 + b"\xff last words\n")
    for name, value in (("SERVICE_RESULT", "exit-code"), ("EXIT_CODE", "exited"), ("EXIT_STATUS", "3")):
        monkeypatch.setenv(name, value)
    assert run(program, "ended", "one") == ""
    letter = Path("letter").read_text()
    assert letter.startswith("-i -- ada@lab.example\n") and "failed: status 3" in letter and "last words" in letter
    assert len(letter) < program.BYTES + 1000
    assert "lab-run: failed: status 3 after 0:00:0" in capsys.readouterr().out
    assert run(program) == ""
    assert "one   failed: status 3 after" in capsys.readouterr().out


def test_jobs_are_listed_with_what_is_known(
    program: types.ModuleType, ada: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: t.Any
) -> None:
    folder = Path("lab-run")
    folder.mkdir()
    for number, name in enumerate(("runs", "gone", "odd")):
        (folder / f"{name}.log").touch()
        (folder / f".{name}.json").write_text(json.dumps({"command": ["a\x1b[2J", "b c"], "started": 1e9 + number}))
    (folder / ".odd.json").write_text("[")
    (folder / "-x.log").touch()
    answers = types.SimpleNamespace(stdout="inactive\nactive\ninactive\n")
    monkeypatch.setattr(program, "systemctl", lambda *_arguments: answers)
    assert run(program) == ""
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["NAME", "odd", "runs", "gone"]
    assert "cut off" in rows[1] and "runs since" in rows[2] and "cut off" in rows[3] and "'a?[2J' 'b c'" in rows[2]
    answers.stdout = "active\n"
    run(program)
    assert "unknown from here" in capsys.readouterr().out


def test_a_job_that_ends_while_it_is_asked_for_has_ended(
    program: types.ModuleType, ada: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: t.Any
) -> None:
    job = program.Job(Path("lab-run"), "one")
    job.folder.mkdir()
    job.log.touch()
    job.write({"command": ["true"], "started": 1e9})

    def answer(*_arguments: str) -> types.SimpleNamespace:
        job.write({"command": ["true"], "started": 1e9, "ended": 1e9 + 5, "result": "done"})
        return types.SimpleNamespace(stdout="inactive\n")

    monkeypatch.setattr(program, "systemctl", answer)
    assert run(program) == ""
    assert "done after 0:00:05" in capsys.readouterr().out


def test_without_lingering_nothing_begins(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LINGER", tmp_path)
    account = types.SimpleNamespace(pw_name="ada", pw_uid=4242, pw_dir=str(tmp_path))
    with pytest.raises(program.RefusedError, match="to name ada in workbench_linger"):
        program.need_manager(account)
    (tmp_path / "ada").touch()
    with pytest.raises(program.RefusedError, match="expected an SSH login"):
        program.need_manager(account)
