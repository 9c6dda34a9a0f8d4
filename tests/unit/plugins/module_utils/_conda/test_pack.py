# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.pack import Packing

PACK = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --output) output=$2 ;; --prefix) prefix=$2 ;; esac; shift; done
[ -e "$prefix/broken" ] && { echo half > "$output"; echo "files are missing" >&2; exit 1; }
ls "$prefix/conda-meta" > "$output"
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "real/conda-meta").mkdir(parents=True)
    (tmp_path / "real/conda-meta/history").write_text("")
    (tmp_path / "env").symlink_to("real")
    (tmp_path / "conda-pack").write_text(PACK)
    (tmp_path / "conda-pack").chmod(0o755)
    (tmp_path / "out").mkdir()
    return tmp_path


def packing(host: Path, program: str = "conda-pack") -> Packing:
    return Packing(str(host / "env"), str(host / "out/env.tar.gz"), str(host / "no-root"), str(host / program))


def test_an_archive_is_made_of_what_is_there(host: Path) -> None:
    assert packing(host).present() == ""
    digest = packing(host).pack(str(host))
    assert packing(host).present() == digest
    assert (host / "out/env.tar.gz.sha256").read_text().endswith(f"\n{digest}  env.tar.gz\n")
    (host / "real/conda-meta/new-1-0.json").write_text("{}")
    assert packing(host).present() == ""
    assert packing(host).pack(str(host)) != digest
    with (host / "out/env.tar.gz").open("a") as file:
        file.write("x")
    assert packing(host).present() == ""


def test_a_failure_leaves_the_former_archive(host: Path) -> None:
    digest = packing(host).pack(str(host))
    (host / "real/broken").write_text("")
    with pytest.raises(CondaEnvError, match="conda-pack failed: files are missing"):
        packing(host).pack(str(host))
    assert packing(host).present() == digest
    assert sorted(os.listdir(host / "out")) == ["env.tar.gz", "env.tar.gz.sha256"]


def test_what_cannot_be_packed_is_named(host: Path) -> None:
    with pytest.raises(CondaEnvError, match="no conda-pack"):
        packing(host, "nothing").pack(str(host))
    with pytest.raises(CondaEnvError, match="ends with"):
        Packing(str(host / "env"), "env.rar", "/", None)
    with pytest.raises(CondaEnvError, match="no conda environment"):
        Packing(str(host / "out"), "env.zip", "/", None)
