# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages and indexes are what conda reads, and the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import zstandard
from channel.conda_channel import (
    PLACEHOLDER,
    ArchiveFormat,
    File,
    Package,
    python_module,
    read_member,
    write_package,
    write_repodata,
)

FORMATS: tuple[ArchiveFormat, ...] = ("conda", "tar.bz2")
TOOL = Package(
    name="tool",
    version="1.0",
    build="h1_0",
    files={"bin/tool": File.text(f"#!{PLACEHOLDER}/bin/sh\n", executable=True), "etc/link": File(link_to="../bin/tool")},
)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_index_holds_what_the_package_says_and_the_archives_checksums(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    package = python_module("alpha-beta", "1.2", depends=("gamma >=1",), constrains=("delta <2",), command="ab")
    path = write_package(tmp_path, package, archive_format)
    write_repodata(tmp_path)
    assert path == tmp_path / f"noarch/alpha-beta-1.2-py_0.{archive_format}"
    text = (tmp_path / "noarch/repodata.json").read_bytes()
    assert zstandard.ZstdDecompressor().decompress((tmp_path / "noarch/repodata.json.zst").read_bytes()) == text
    listed = json.loads(text)["packages.conda" if archive_format == "conda" else "packages"]
    assert list(listed) == [path.name]
    record = listed[path.name]
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["size"] == path.stat().st_size
    assert (record["depends"], record["constrains"]) == (["python >=3.8", "gamma >=1"], ["delta <2"])
    assert (record["noarch"], record["subdir"]) == ("python", "noarch")
    link = json.loads(read_member(path, "info/link.json"))
    assert link["noarch"] == {"type": "python", "entry_points": ["ab = alpha_beta:main"]}
    assert b"__version__ = '1.2'" in read_member(path, "site-packages/alpha_beta/__init__.py")


def test_platform_without_packages_has_an_index_too(tmp_path: Path) -> None:
    write_repodata(tmp_path)
    index = json.loads((tmp_path / "linux-64/repodata.json").read_text())
    assert (index["info"], index["packages"], index["packages.conda"]) == ({"subdir": "linux-64"}, {}, {})


def test_prefix_placeholder_and_links_are_declared(tmp_path: Path) -> None:
    paths = json.loads(read_member(write_package(tmp_path, TOOL), "info/paths.json"))["paths"]
    digest = hashlib.sha256(TOOL.files["bin/tool"].data).hexdigest()
    assert [(p["_path"], p["path_type"], p["sha256"], p.get("prefix_placeholder")) for p in paths] == [
        ("bin/tool", "hardlink", digest, PLACEHOLDER),
        ("etc/link", "softlink", digest, None),
    ]


@pytest.mark.parametrize("archive_format", FORMATS)
def test_same_input_same_bytes(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    first, second = (write_package(tmp_path / name, TOOL, archive_format).read_bytes() for name in ("one", "two"))
    assert first == second
