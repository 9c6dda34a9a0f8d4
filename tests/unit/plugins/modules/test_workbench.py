# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on a host that is a folder."""

from __future__ import annotations

import json
import os
import pwd
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import workbench
from ansible_collections.openlab.research_server.tests.unit.plugins import nvidia_tree

MACHINES = json.loads((Path(__file__).parents[1] / "data/nvidia/machines.json").read_text(encoding="utf-8"))["machines"]
STATUS = (
    "Package: git\nStatus: install ok installed\nVersion: 1\n\nPackage: tmux\nStatus: deinstall ok config-files\nVersion: 1\n"
)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CONFIG", "ATTRIBUTES"):
        monkeypatch.setattr(workbench.git, name, str(tmp_path / name))
    monkeypatch.setattr(workbench, "SHARED", (str(tmp_path / "CONFIG"), str(tmp_path / "ATTRIBUTES")))
    monkeypatch.setattr(workbench.lingering, "RECORD", str(tmp_path / "linger.json"))
    monkeypatch.setattr(workbench, "LINGER", str(tmp_path / "linger"))
    (tmp_path / "status").write_text(STATUS)
    monkeypatch.setattr(workbench.dpkg, "STATUS", str(tmp_path / "status"))
    # Whose the folders above are is not of interest here, nor is who runs the test.
    monkeypatch.setattr(workbench.rights, "faults", lambda _files: [])
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path


@pytest.mark.parametrize("name", MACHINES)
def test_whether_there_is_a_gpu(name: str, tmp_path: Path) -> None:
    nvidia_tree.write(tmp_path, MACHINES[name]["functions"])
    assert workbench.has_gpu(tmp_path) == bool(MACHINES[name]["gpus"])


POLICY = "nvtop:\n  Installed: (none)\n  Candidate: 3.0.1-1\n  Version table:\nold:\n  Installed: (none)\n  Candidate: (none)\n"


def test_what_is_missing_comes_first(
    host: Path, run_module: t.Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    # Ansible keeps them for the whole process, and tells each once.
    monkeypatch.setattr(workbench.Module, "warn", lambda _module, warning: warned.append(warning))
    monkeypatch.setattr(workbench.Host, "attempt", lambda *_argv, **_more: (0, POLICY, ""))
    nvidia_tree.write(host / "sys", MACHINES["t4"]["functions"])
    files = [{"path": str(host / "own"), "content": "x\n"}]
    asked = {
        "packages": ["git", "tmux"],
        "gpu_packages": ["nvtop", "old", "unknown"],
        "sysfs_root": str(host / "sys"),
        "files": files,
    }
    done = run_module(workbench, **asked)
    assert (done["missing"], done["changed"]) == (["tmux", "nvtop"], False) and not (host / "own").exists()
    assert len(warned) == 1 and "found no old, no unknown in the package lists" in warned[0]
    told = run_module(workbench, check_mode=True, **asked)
    assert told["changed"] and "tmux = installed\nnvtop = installed\n" in str(told["diff"][0]["after"])
    assert told["diff"][1]["after"] == "x\n", "the rest is told, too"


def test_a_file_is_written_once_and_taken_away_when_it_has_no_text(
    host: Path, run_module: t.Callable[..., dict[str, t.Any]]
) -> None:
    own = host / "new" / "own"
    asked = [{"path": str(own), "content": "x\n", "mode": "0755"}]
    assert run_module(workbench, files=asked)["changed"] and own.read_text() == "x\n" and own.stat().st_mode & 0o777 == 0o755
    assert not run_module(workbench, files=asked)["changed"]
    own.rename(host / "elsewhere")
    own.symlink_to(host / "elsewhere")
    assert run_module(workbench, files=asked)["changed"] and not own.is_symlink(), "a link to the same text is somebody's"
    asked[0]["content"] = ""
    assert run_module(workbench, files=asked)["changed"] and not own.exists()
    assert not run_module(workbench, files=asked)["changed"]


def test_git_is_told_and_what_others_told_it_stays(host: Path, run_module: t.Callable[..., dict[str, t.Any]]) -> None:
    (host / "CONFIG").write_text("# the lab\n[user]\n\tname = Lab\n")
    (host / "ATTRIBUTES").write_text("*.pdf binary\n")
    asked = {"git_config": {"filter.x.clean": 'strip "a b"'}, "git_attributes": ["*.ipynb filter=x"]}
    assert run_module(workbench, **asked)["changed"]
    assert (host / "CONFIG").read_text().startswith("# the lab\n[user]\n\tname = Lab\n[filter")
    assert (host / "ATTRIBUTES").read_text() == "*.ipynb filter=x\n*.pdf binary\n"
    assert not run_module(workbench, **asked)["changed"]
    assert run_module(workbench, git_state="absent", **asked)["changed"]
    assert "filter" not in (host / "CONFIG").read_text() and (host / "ATTRIBUTES").read_text() == "*.pdf binary\n"
    assert not run_module(workbench, git_state="absent", **asked)["changed"]


def test_who_cannot_linger_is_named(host: Path, run_module: t.Callable[..., dict[str, t.Any]]) -> None:
    system = next(entry.pw_name for entry in pwd.getpwall() if 0 < entry.pw_uid < 1000)
    failed = run_module(workbench, linger=["nobody-knows", system])
    assert failed["failed"] and "workbench_linger: nobody-knows: found no account" in failed["msg"]
    assert f"workbench_linger: {system}: found the uid" in failed["msg"]
    assert run_module(workbench, check_mode=True, linger=["nobody-knows"])["diff"][-1]["after"] == "nobody-knows = on\n"


@pytest.mark.parametrize(("logind", "kept"), [("exit 0", []), ("exit 1", ["ada"])])
def test_who_keeps_lingering_against_the_data_is_known_to_the_next_run(
    host: Path, run_module: t.Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, logind: str, kept: list[str]
) -> None:
    (host / "linger").mkdir()
    (host / "linger" / "ada").touch()
    (host / "linger.json").write_text('["ada"]')
    (host / "loginctl").write_text(f'#!/bin/sh\necho "$@" >> {host}/asked\n{logind}\n')
    (host / "loginctl").chmod(0o755)
    # A lock that somebody has left over: git cannot write.
    (host / "CONFIG.lock").touch()
    monkeypatch.setenv("PATH", f"{host}:{os.environ['PATH']}")
    assert run_module(workbench, linger=[], git_config={"user.x": "y"})["failed"]
    assert (host / "asked").read_text() == "disable-linger ada\n"
    record = host / "linger.json"
    assert (json.loads(record.read_text()) if record.exists() else []) == kept


def test_settings_of_git_that_cannot_be_read_keep_nothing_else_from_being_done(
    host: Path, run_module: t.Callable[..., dict[str, t.Any]]
) -> None:
    (host / "CONFIG").write_text("[broken\n")
    failed = run_module(workbench, git_config={"filter.x.clean": "x"}, files=[{"path": str(host / "own"), "content": "x\n"}])
    assert failed["failed"] and "bad config line 1" in failed["msg"] and "then run again" in failed["msg"]
    assert (host / "own").exists() and (host / "CONFIG").read_text() == "[broken\n"
