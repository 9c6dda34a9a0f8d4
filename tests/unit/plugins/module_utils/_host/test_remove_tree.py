# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._host.remove_tree import remove_tree

SECONDS = 30.0


def test_a_tree_goes_and_its_neighbours_stay(tmp_path: Path) -> None:
    (tmp_path / "ada" / "a" / "b").mkdir(parents=True)
    (tmp_path / "ada" / "a" / "b" / "file").touch()
    (tmp_path / "ada" / "1").mkdir()  # as the names that are given on the way
    (tmp_path / "ada" / "a" / "2").mkdir()
    (tmp_path / "bob").mkdir()
    assert remove_tree(str(tmp_path / "ada"), SECONDS) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["bob"]
    assert remove_tree(str(tmp_path / "ada"), SECONDS) == "", "nothing to do is done"


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "precious" / "inner").mkdir(parents=True)
    (tmp_path / "ada" / "x").mkdir(parents=True)
    for link in ("ada/link", "ada/x/link", "carol"):
        (tmp_path / link).symlink_to(tmp_path / "precious")
    assert remove_tree(str(tmp_path / "ada"), SECONDS) == remove_tree(str(tmp_path / "carol"), SECONDS) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious"]
    assert (tmp_path / "precious" / "inner").is_dir()


def test_a_deep_tree_takes_no_more_than_a_flat_one(tmp_path: Path) -> None:
    """Deeper than a path may be long, and than Python may call itself."""
    (tmp_path / "ada").mkdir()
    handle = os.open(tmp_path / "ada", os.O_RDONLY)
    for _level in range(5000):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    assert remove_tree(str(tmp_path / "ada"), SECONDS) == ""
    assert not (tmp_path / "ada").exists()


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    """Somebody fills a folder in it as fast as it is emptied, through a handle from before."""
    (tmp_path / "ada" / "x").mkdir(parents=True)
    handle, stop = os.open(tmp_path / "ada" / "x", os.O_RDONLY), threading.Event()

    def fill() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
            except OSError:
                return

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        time.sleep(0.2)
        before = time.monotonic()
        said = remove_tree(str(tmp_path / "ada"), 0.0)
        assert time.monotonic() - before < 5
        assert "more below" in said and str(tmp_path / "ada") in said
    finally:
        stop.set()
        filler.join()
        os.close(handle)
    assert remove_tree(str(tmp_path / "ada"), SECONDS) == ""


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    assert remove_tree("/proc/sys", SECONDS) == "cannot remove /proc/sys: Operation not permitted"
    assert remove_tree(str(tmp_path / "absent" / "ada"), SECONDS) == ""
