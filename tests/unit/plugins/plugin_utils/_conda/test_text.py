# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.text import read_text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        ("Jürgen\n".encode(), "Jürgen\n"),
        ("\ufeffx\n".encode(), "x\n"),
        ("\ufeffx\n".encode("utf-16-le"), "x\n"),
        ("\ufeffx\n".encode("utf-16-be"), "x\n"),
        ("\ufeffx\n".encode("utf-32-le"), "x\n"),
        ("# -*- coding: latin-1 -*-\n# Jürgen\n".encode("latin-1"), "# -*- coding: latin-1 -*-\n# Jürgen\n"),
        ("x\n# coding=cp1252\n# €\n".encode("cp1252"), "x\n# coding=cp1252\n# €\n"),
        (b"a ======= b\n <<<<<<< x\n", "a ======= b\n <<<<<<< x\n"),
    ],
)
def test_what_conda_or_pip_can_read_is_read(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "x").write_bytes(data)
    assert read_text(tmp_path / "x") == text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a\nJ\xfcrgen\n", "the byte 0xfc in line 2 is not UTF-8"),
        ("x: y\n".encode("utf-16-le"), "neither UTF-8, nor marked as UTF-16"),
        (b"\xff\xfex\0\n", "is not UTF-16-LE"),
        (b"# coding: klingon\n", "its encoding is 'klingon'"),
        (b"x\n=======\n", "has in line 2 '======='"),
        (None, "No such file"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / "x").write_bytes(data)
    with pytest.raises(CondaEnvError, match=says) as caught:
        read_text(tmp_path / "x")
    assert caught.value.cause.startswith(f"{tmp_path}/x ")
    assert caught.value.way_out
