# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import frozen
from ansible_collections.openlab.research_server.plugins.module_utils._host.files import put_file


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "conda-meta").mkdir()
    return tmp_path


def test_a_marker_is_written_read_and_removed(prefix: Path) -> None:
    assert frozen.read(str(prefix)) is None
    frozen.write(str(prefix), "ask\nus")
    assert json.loads((prefix / "conda-meta/frozen").read_text()) == {"message": "ask\nus"}
    assert os.listdir(prefix / "conda-meta") == ["frozen"]
    assert frozen.read(str(prefix)) == "ask\nus"
    assert frozen.line(frozen.read(str(prefix))) == ("frozen: ask\\nus",)
    frozen.write(str(prefix), None)
    frozen.write(str(prefix), None)
    assert frozen.read(str(prefix)) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"message": null}', '"x"'])
def test_a_marker_that_cannot_be_understood_freezes_without_a_message(prefix: Path, text: str) -> None:
    (prefix / "conda-meta/frozen").write_text(text)
    assert frozen.read(str(prefix)) == ""


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (None, None, ""),
        ("a", "a", ""),
        ("", "", ""),
        (None, "a", "it is not frozen"),
        ("", "a", "its frozen marker says something else"),
        ("b", "a", "its frozen marker says something else"),
        ("b", None, "it is frozen"),
        ("", None, "it is frozen"),
    ],
)
def test_reason(found: str | None, wanted: str | None, expected: str) -> None:
    assert frozen.reason(found, wanted) == expected


def test_no_link_is_followed(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    victim.write_text("kept")
    folder.mkdir()
    for name in ("file", "file.new"):
        (folder / name).symlink_to(victim)
    put_file(str(folder), "file", "new")
    assert (victim.read_text(), (folder / "file").read_text(), os.listdir(folder)) == ("kept", "new", ["file"])
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError, match="link"):
        put_file(str(tmp_path / "link"), "file", "newer")
    assert (folder / "file").read_text() == "new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_belongs_to_the_owner_of_its_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 2345)
    put_file(str(tmp_path), "file", "text")
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)
