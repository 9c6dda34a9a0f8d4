# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import (
    Package,
    channel_of,
    conda_packages,
    distributions,
    pip_packages,
    site_packages,
)

FORGE = "https://conda.anaconda.org/conda-forge"


@pytest.mark.parametrize(
    ("record", "channel"),
    [
        ({"url": f"{FORGE}/linux-64/x-1-0.conda", "channel": "conda-forge"}, FORGE),
        ({"url": f"{FORGE}/noarch/x-1-0.tar.bz2", "channel": f"{FORGE}/noarch"}, FORGE),
        ({"url": "https://u:p@h.example/t/tok/lab/noarch/x-1-0.conda"}, "https://h.example/lab"),
        ({"url": "file:///srv/conda/lab/noarch/x-1-0.conda"}, "file:///srv/conda/lab"),
        ({"url": "", "channel": f"{FORGE}/noarch", "subdir": "noarch"}, FORGE),
        ({"channel": f"{FORGE}/", "subdir": "noarch"}, FORGE),
        ({"channel": "conda-forge", "subdir": "noarch"}, "conda-forge"),
        ({}, ""),
    ],
)
def test_the_channel_of_a_record(record: dict[str, str], channel: str) -> None:
    assert channel_of(record) == channel


def record(prefix: Path, name: str, **more: t.Any) -> None:
    folder = prefix / "conda-meta"
    folder.mkdir(exist_ok=True)
    content = {"name": name, "version": "1", "build": "0", "url": f"{FORGE}/noarch/{name}-1-0.conda", **more}
    (folder / f"{name}-1-0.json").write_text(json.dumps(content))


def distribution(prefix: Path, name: str, installer: str | None, metadata: str | None = None, place: str = "python3.11") -> None:
    folder = prefix / "lib" / place / "site-packages" / f"{name}-1.dist-info"
    folder.mkdir(parents=True)
    if installer is not None:
        (folder / "INSTALLER").write_text(installer)
    if metadata is not None:
        (folder / "METADATA").write_text(metadata)


def test_conda_records_are_read(tmp_path: Path) -> None:
    record(tmp_path, "b")
    record(tmp_path, "a")
    (tmp_path / "conda-meta/history").write_text("")
    (tmp_path / "conda-meta/a-1-0.json.c~").write_text("left by a killed conda")
    assert conda_packages(tmp_path.as_posix()) == [Package("a", "1", "0", FORGE), Package("b", "1", "0", FORGE)]
    assert Package("a", "1", "0", FORGE).line() == f"a 1 0 {FORGE}"


def test_a_prefix_without_records_is_empty(tmp_path: Path) -> None:
    assert conda_packages(str(tmp_path)) == []
    assert site_packages(str(tmp_path)) == []


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"name": "x"}'])
def test_a_broken_record_is_an_error(tmp_path: Path, text: str) -> None:
    record(tmp_path, "x")
    (tmp_path / "conda-meta/x-1-0.json").write_text(text)
    with pytest.raises(CondaEnvError, match=r"x-1-0\.json cannot be read"):
        conda_packages(str(tmp_path))


def test_distributions_are_told_apart_by_their_installer(tmp_path: Path) -> None:
    distribution(tmp_path, "Some_Thing", "pip\n", "Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.0\n\nName: not this\n")
    distribution(tmp_path, "by_conda", "conda", "Name: by-conda\nVersion: 1\n")
    distribution(tmp_path, "bare", None, None)
    assert pip_packages(str(tmp_path)) == [Package("bare", "1", "pypi_0", "pypi"), Package("some-thing", "1.0", "pypi_0", "pypi")]
    assert ("by-conda", "conda") in [(package.name, installer) for package, installer in distributions(str(tmp_path))]


def test_a_linked_python_folder_is_not_counted_twice(tmp_path: Path) -> None:
    distribution(tmp_path, "x", "pip", "Name: x\nVersion: 1\n")
    (tmp_path / "lib/python3.1").symlink_to("python3.11")
    assert site_packages(str(tmp_path)) == ["lib/python3.11/site-packages"]
