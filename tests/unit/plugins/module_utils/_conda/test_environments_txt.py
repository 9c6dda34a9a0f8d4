# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import environments_txt as register


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
