# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real find(1) over a real folder."""

from __future__ import annotations

import os
import stat
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import setuid_files as files

ME = os.getuid()


@pytest.fixture
def place(public_folder: Path) -> Path:
    for name, mode in {"user": 0o4755, "group": 0o2755, "plain": 0o755, "line\nbreak": 0o6700}.items():
        (public_folder / name).write_text("")
        (public_folder / name).chmod(mode)
    (public_folder / "folder").mkdir()
    (public_folder / "folder").chmod(0o2755)
    (public_folder / "link").symlink_to("user")
    return public_folder


def found(*roots: Path, uid: int = ME, **options: t.Any) -> tuple[list[str], bool]:
    search = files.search(map(str, roots), uid, **options)
    return sorted(os.path.basename(path) for path in search.paths), search.complete


def test_only_files_with_these_bits_are_found(place: Path) -> None:
    assert found(place) == (["group", "line\nbreak", "user"], True)
    assert found(place, uid=ME + 1) == ([], True)


def test_many_are_cut(place: Path) -> None:
    for number in range(300):
        (place / f"more{number}").write_text("")
        (place / f"more{number}").chmod(0o4755)
    names, complete = found(place, size=2000)
    assert not complete
    assert 5 < len(names) < 100


def test_time_is_limited() -> None:
    paths, complete = found(Path("/"), uid=ME + 12345, seconds=0.01)
    assert (paths, complete) == ([], False)


def test_no_other_file_system_is_entered() -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as elsewhere:
        os.fchmod(elsewhere.fileno(), 0o4755)
        assert elsewhere.name in files.search(["/dev/shm"], ME).paths
        assert elsewhere.name not in files.search(["/dev"], ME).paths


def test_the_bits_are_taken_and_nothing_else(place: Path) -> None:
    (place / "line\nbreak").unlink()
    assert files.clear([str(place / name) for name in ("user", "group", "plain", "link", "folder", "gone")], ME) == []
    modes = {name: stat.S_IMODE((place / name).stat().st_mode) for name in ("user", "group", "plain", "folder")}
    assert modes == {"user": 0o755, "group": 0o755, "plain": 0o755, "folder": 0o2755}


def test_somebody_elses_file_at_that_path_keeps_them(place: Path) -> None:
    """Whoever owns the folder may put another file, or a link, where one was found."""
    assert files.clear([str(place / "user")], ME + 1) == []
    (place / "swapped").symlink_to("user")
    assert files.clear([str(place / "swapped")], ME) == []
    assert stat.S_IMODE((place / "user").stat().st_mode) == 0o4755
