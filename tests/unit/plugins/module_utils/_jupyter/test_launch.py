# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter import launch

# A stand-in for ipykernel, to see in what order it is used; the real one is in molecule/jupyter.
IPYKERNEL = """
import sys
class Events:
    def register(self, name, function):
        print("registered", name)
class IPKernelApp:
    shell = type("Shell", (), {"events": Events()})()
    @classmethod
    def instance(cls):
        return cls()
    def initialize(self):
        print("initialized", *sys.argv[1:])
    def start(self):
        print("started")
"""


class Events:
    def __init__(self) -> None:
        self.gone: list[t.Any] = []

    def unregister(self, name: str, function: t.Any) -> None:
        self.gone.append((name, function))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The name of an environment, in its first of two generations."""
    for number in (1, 2):
        (tmp_path / f"nlp.{number}").mkdir()
    (tmp_path / "nlp").symlink_to("nlp.1")
    return tmp_path / "nlp"


def move(environment: Path, target: str) -> None:
    environment.unlink()
    if target:
        environment.symlink_to(target)


@pytest.mark.parametrize(("target", "says"), [("nlp.1", ""), ("nlp.2", "nlp has changed"), ("", "nlp has been removed")])
def test_an_environment_that_moved_on_is_told(environment: Path, target: str, says: str) -> None:
    move(environment, target)
    text = launch.moved(str(environment), str(environment.with_name("nlp.1")))
    assert says in text and bool(says) == bool(text)


def test_it_is_told_once(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "prefix", str(environment.with_name("nlp.1")))
    events = Events()
    notice = launch.Notice(events, str(environment))
    notice(object())
    assert (capsys.readouterr().err, events.gone) == ("", [])
    move(environment, "nlp.2")
    notice(object())
    assert "restart it" in capsys.readouterr().err
    assert events.gone == [("pre_run_cell", notice)]


def test_it_imports_neither_from_its_own_folder_nor_from_the_notebooks(tmp_path: Path) -> None:
    kernel, notebook, library = (tmp_path / name for name in ("kernel", "notebook", "library"))
    for folder, text in ((kernel, "raise SystemExit(1)"), (notebook, "raise SystemExit(2)"), (library, IPYKERNEL)):
        (folder / "ipykernel").mkdir(parents=True)
        (folder / "ipykernel/__init__.py").touch()
        (folder / "ipykernel/kernelapp.py").write_text(text)
    (kernel / "launch.py").write_text(Path(str(launch.__file__)).read_text())
    (kernel / "kernel.json").write_text(json.dumps({"metadata": {"openlab.research_server": {"prefix": "/envs/nlp"}}}))
    command = [sys.executable, str(kernel / "launch.py"), "-f", "x"]
    done = subprocess.run(command, cwd=notebook, env={"PYTHONPATH": str(library)}, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["initialized -f x", "registered pre_run_cell", "started"], done.stderr
