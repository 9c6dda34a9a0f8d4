# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import in_place_backup


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small installation with all kinds of entries."""
    files = {
        "bin/conda": "conda",
        "conda-meta/history": "first\n",
        "etc/profile.d/conda.sh": "export",
        "lib/python3/site-packages/all.pth": "one\n",
        "lib/python3/site-packages/package/__init__.py": "old",
        "share/data": "data",
        "pkgs/cached": "cached",
        "envs/nlp/data": "theirs",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "bin/conda").chmod(0o755)
    (tmp_path / "bin/link").symlink_to("conda")
    return tmp_path


def look(root: Path) -> dict[str, t.Any]:
    """Everything but environments and package cache."""
    found: dict[str, t.Any] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not name.startswith(("envs", "pkgs")):
            kind = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "folder"
            found[name] = (kind, path.lstat().st_mode)
    return found


def replace(path: Path, text: str) -> None:
    """As conda and pip do."""
    path.unlink()
    path.write_text(text)


def change(root: Path) -> None:
    """All that a transaction may do."""
    replace(root / "bin/conda", "broken")
    with (root / "conda-meta/history").open("a") as file:
        file.write("second\n")
    (root / "etc/profile.d/conda.sh").write_text("edited")
    (root / "lib/python3/site-packages/all.pth").write_text("two\n")
    shutil.rmtree(root / "lib/python3/site-packages/package")
    (root / "lib/python3/site-packages/package").write_text("a file now")
    (root / "bin/link").unlink()
    (root / "bin/link").mkdir()
    (root / "bin/link/inner").write_text("new")
    (root / "share/data").unlink()
    shutil.rmtree(root / "share")
    (root / "new/folder").mkdir(parents=True)
    (root / "new/folder/file").write_text("new")
    (root / "new/dead").symlink_to("nowhere")
    (root / "pkgs/fetched").write_text("fetched")
    (root / "envs/nlp/data").write_text("changed")


def test_everything_comes_back(root: Path) -> None:
    before = look(root)
    in_place_backup.take(str(root))
    assert in_place_backup.pending(str(root))
    change(root)
    assert in_place_backup.repair(str(root))
    assert look(root) == before
    assert not in_place_backup.pending(str(root))
    # What does not belong to the installation's own environment is left alone.
    assert (root / "pkgs/fetched").exists()
    assert (root / "envs/nlp/data").read_text() == "changed"
    assert not in_place_backup.repair(str(root))


def test_what_is_good_stays(root: Path) -> None:
    in_place_backup.take(str(root))
    change(root)
    after = {name: value for name, value in look(root).items() if not name.startswith(".base")}
    in_place_backup.discard(str(root))
    assert not in_place_backup.repair(str(root))
    assert look(root) == after


@pytest.mark.parametrize("step", range(1, 9))
def test_a_repair_that_is_killed_is_finished_by_the_next(root: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = look(root)
    in_place_backup.take(str(root))
    change(root)
    done = []

    def killed(name: str) -> t.Any:
        original = getattr(os, name)

        def call(*arguments: t.Any, **options: t.Any) -> t.Any:
            done.append(name)
            if len(done) == step:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("rename", "unlink", "link", "mkdir"):
            patched.setattr(os, name, killed(name))
        with pytest.raises(KeyboardInterrupt):
            in_place_backup.repair(str(root))
    in_place_backup.repair(str(root))
    assert look(root) == before


@pytest.mark.parametrize("name", [".base-before.tmp", ".base-before.done"])
def test_a_copy_that_is_unfinished_or_done_is_worth_nothing(root: Path, name: str) -> None:
    (root / name / "bin").mkdir(parents=True)
    before = {path: value for path, value in look(root).items() if not path.startswith(".base")}
    assert not in_place_backup.repair(str(root))
    assert look(root) == before


def test_a_copy_that_cannot_be_made_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = look(root)

    def full(*_arguments: t.Any, **_options: t.Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        in_place_backup.take(str(root))
    assert look(root) == before
