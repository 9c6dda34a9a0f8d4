# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import manifest as state
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import Package


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    info = tmp_path / "lib/python3.11/site-packages/x-1.dist-info"
    info.mkdir(parents=True)
    for name in ("METADATA", "RECORD", "INSTALLER"):
        (info / name).write_text(f"Name: x\nVersion: 1\n{name}\n")
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    (meta / "history").write_text("==> now <==\n")
    (meta / "python-3.11-0.json").write_text("{}")
    return tmp_path


def take(prefix: Path) -> state.Manifest:
    return state.take(str(prefix), "digest", [Package("python", "3.11", "0", "c")], ["x==1"])


def test_a_state_survives_its_file(prefix: Path) -> None:
    taken = take(prefix)
    state.write(taken)
    assert state.load(str(prefix)) == taken
    assert state.confirm(taken) is taken
    assert taken.pip == (Package("x", "1", "pypi_0", "pypi"),)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_file_that_says_nothing_is_no_state(prefix: Path, text: str) -> None:
    (prefix / state.MANIFEST_FILE).write_text(text)
    assert state.load(str(prefix)) is None


def test_the_state_of_another_prefix_is_no_state(prefix: Path) -> None:
    taken = take(prefix)
    (prefix / "copy").mkdir()
    state.write(taken)
    (prefix / state.MANIFEST_FILE).rename(prefix / "copy" / state.MANIFEST_FILE)
    assert state.load(str(prefix / "copy")) is None


PACKAGES = "lib/python3.11/site-packages"


def rewrite(path: Path, text: str) -> None:
    """Edit in place, and leave no trace in what `ls -l` shows."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, t.Callable[[Path], object]] = {
    "record added": lambda p: (p / "conda-meta/new-1-0.json").write_text("{}"),
    "record removed": lambda p: (p / "conda-meta/python-3.11-0.json").unlink(),
    "record edited": lambda p: (p / "conda-meta/python-3.11-0.json").write_text("{ }"),
    "record edited, with its size and times": lambda p: rewrite(p / "conda-meta/python-3.11-0.json", "[]"),
    "history": lambda p: (p / "conda-meta/history").write_text("==> later <==\n"),
    "variables": lambda p: (p / "conda-meta/state").write_text("{}"),
    "pins": lambda p: (p / "conda-meta/pinned").write_text("x\n"),
    "distribution added": lambda p: (p / PACKAGES / "y-1.dist-info").mkdir(),
    "metadata edited": lambda p: (p / PACKAGES / "x-1.dist-info/METADATA").write_text("Name: x\nVersion: 2\n"),
    "files removed": lambda p: (p / PACKAGES / "x-1.dist-info/RECORD").unlink(),
    "installer": lambda p: (p / PACKAGES / "x-1.dist-info/INSTALLER").write_text("conda"),
    "origin": lambda p: (p / PACKAGES / "x-1.dist-info/direct_url.json").write_text("{}"),
    "editable": lambda p: (p / PACKAGES / "__editable__.y.pth").write_text("/srv/y"),
    "old editable": lambda p: (p / PACKAGES / "y.egg-link").write_text("/srv/y"),
    "egg": lambda p: (p / PACKAGES / "y.egg-info").write_text("Name: y"),
    "place": lambda p: (p / PACKAGES).rename(p / "lib/away"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_noticed(prefix: Path, change: t.Callable[[Path], object]) -> None:
    taken = take(prefix)
    change(prefix)
    assert not state.untouched(taken)
    assert state.confirm(taken) is None


def test_what_does_not_belong_to_conda_or_pip_is_no_change(prefix: Path) -> None:
    taken = take(prefix)
    (prefix / PACKAGES / "__pycache__").mkdir()
    (prefix / "share").mkdir()
    for path in prefix.rglob("*"):
        os.utime(path, (1, 1))
    confirmed = state.confirm(taken)
    assert confirmed is not None
    assert confirmed.quick != taken.quick
    assert state.confirm(confirmed) is confirmed


def test_nothing_but_metadata_is_read_when_nothing_changed(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = take(prefix)
    monkeypatch.setattr(state, "thorough_fingerprint", lambda *_: pytest.fail("read the content"))
    assert state.untouched(taken)
    assert state.confirm(taken) is taken
