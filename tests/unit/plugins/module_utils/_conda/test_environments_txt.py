# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import environments_txt as register
from ansible_collections.openlab.research_server.plugins.module_utils._conda.mutex import acquire

ADD = """
import sys
from ansible_collections.openlab.research_server.plugins.module_utils._conda import environments_txt
sys.stdin.read()
for number in range(40):
    environments_txt.add(f"/srv/{sys.argv[1]}/{number}")
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folders = [str(tmp_path / name / ".conda") for name in ("ada", "root")]
    monkeypatch.setattr(register, "homes", lambda: folders)
    (tmp_path / "ada").mkdir()
    return tmp_path


def test_an_environment_is_listed_once_and_forgotten_everywhere(home: Path) -> None:
    own, roots = home / "ada/.conda/environments.txt", home / "root/.conda/environments.txt"
    register.add("/srv/a")
    register.add("/srv/b")
    register.add("/srv/a")
    assert own.read_text() == "/srv/a\n/srv/b\n"
    roots.parent.mkdir(parents=True)
    roots.write_text("/srv/a\n\n/srv/\u00fc\n", encoding="latin-1")
    register.forget(lambda path: path == "/srv/a")
    assert (own.read_text(), roots.read_bytes()) == ("/srv/b\n", b"/srv/\xfc\n")
    before = own.stat().st_ino
    register.forget(lambda path: path == "/srv/a")
    assert own.stat().st_ino == before


def test_without_a_home_nothing_is_listed(home: Path) -> None:
    (home / "ada").rmdir()
    register.add("/srv/a")
    register.forget(lambda _path: True)
    assert not (home / "ada").exists()


def test_two_installations_lose_nothing_of_each_other(tmp_path: Path) -> None:
    variables = {**os.environ, "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", ADD]
    writers = [subprocess.Popen([*argv, name], env=variables, stdin=subprocess.PIPE, text=True) for name in "ab"]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    lines = (tmp_path / ".conda/environments.txt").read_text().splitlines()
    assert sorted(lines) == sorted(f"/srv/{name}/{number}" for name in "ab" for number in range(40))


def test_who_never_lets_the_list_go_stops_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "_SECONDS", 0)
    (home / "ada/.conda").mkdir()
    handle = os.open(home / "ada/.conda", os.O_RDONLY)
    try:
        assert acquire(handle, 0)
        register.add("/srv/a")
    finally:
        os.close(handle)
    assert (home / "ada/.conda/environments.txt").read_text() == "/srv/a\n"
