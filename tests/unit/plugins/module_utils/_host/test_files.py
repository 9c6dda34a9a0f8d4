# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.files import put_file, read_bounded, read_file


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "none", "none/below", "."):
        assert read_file(str(tmp_path / name)) is None


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    put_file(str(tmp_path), "a", "one")
    put_file(str(tmp_path), "a", "two", 0o755)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert read_file(str(tmp_path / "a")) == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_no_more_of_anybodys_file_is_read_than_it_may_have(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(str(tmp_path / "file"), 4) == b"four"
    with pytest.raises(OSError, match="longer than 3 bytes"):
        read_bounded(str(tmp_path / "file"), 3)
    for name in ("link", "pipe", ".", "none"):
        with pytest.raises(OSError, match=name):
            read_bounded(str(tmp_path / name), 4)
