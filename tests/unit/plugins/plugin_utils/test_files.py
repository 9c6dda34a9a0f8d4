# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.action import client_config
from ansible_collections.openlab.research_server.plugins.plugin_utils import _files
from ansible_collections.openlab.research_server.plugins.plugin_utils._files import replace, write_private

PLUGINS = Path(__file__).parents[4] / "plugins"


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_file_is_replaced_with_the_mode_that_is_said_or_that_of_any_new_file(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "file"
    replace(path, "one", 0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    replace(path, "two")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o640)
    write_private(tmp_path / "new/file", "text")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "new/file")] == [0o700, 0o600]
    assert os.umask(0o027) == 0o027


@pytest.mark.parametrize("write", [replace, write_private, client_config.write])
def test_what_could_not_be_written_leaves_nothing(tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder/file"
    path.parent.mkdir(mode=0o700)
    path.write_text("former")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, "new")
    assert path.read_text() == "former" and list(path.parent.iterdir()) == [path]


def test_the_controller_has_one_writer() -> None:
    rivals = {
        path.relative_to(PLUGINS).as_posix()
        for folder in ("action", "callback", "filter", "plugin_utils")
        for path in (PLUGINS / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "mkstemp"
    }
    assert rivals == {Path(_files.__file__).resolve().relative_to(PLUGINS.resolve()).as_posix()}
