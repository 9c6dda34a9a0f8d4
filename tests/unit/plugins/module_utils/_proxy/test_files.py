# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._proxy.files import (
    File,
    differences,
    faults,
    new,
    or_as_before,
)


def test_what_fails_brings_all_back(tmp_path: Path) -> None:
    here, gone, other = (str(tmp_path / name) for name in ("here", "gone", "made"))
    link, target = tmp_path / "link", tmp_path / "target"
    Path(here).write_text("old")
    os.chmod(here, 0o640)
    Path(gone).write_text("stays")
    target.write_text("page")
    link.symlink_to(target)
    files = {here: File("new", 0o600), gone: File(None), other: File("made")}
    with pytest.raises(ValueError, match="no"), or_as_before(files, str(link)):
        assert Path(here).read_text() == "new" and stat.S_IMODE(os.stat(here).st_mode) == 0o600
        assert not Path(gone).exists() and Path(other).exists() and not link.exists()
        raise ValueError("no")
    assert Path(here).read_text() == "old" and stat.S_IMODE(os.stat(here).st_mode) == 0o640
    assert Path(gone).read_text() == "stays" and not Path(other).exists() and link.resolve() == target


def test_what_works_stays(tmp_path: Path) -> None:
    path, link = str(tmp_path / "file"), tmp_path / "link"
    link.symlink_to("/nowhere")
    with or_as_before({path: File("new")}, str(link)):
        pass
    assert Path(path).read_text() == "new" and not link.is_symlink()
    assert new({path: File("new")}) == {}
    assert set(new({path: File("newer"), str(tmp_path / "none"): File(None)})) == {path}


def test_a_link_is_never_what_it_shall_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("same")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert set(new({str(tmp_path / "link"): File("same")})) == {str(tmp_path / "link")}


def test_a_file_may_be_somebodys(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("same")
    own, group = path.stat().st_uid, path.stat().st_gid
    path.chmod(0o400)
    wanted = File("same", 0o400, group, owner=own + 1)
    (fault,) = faults({str(path): wanted}, {})
    assert (fault.owner, fault.group, fault.mode) == (own + 1, group, 0o400)
    assert not own or faults({str(path): wanted._replace(owner=own)}, {}) == []


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("ada:old-hash")
    (shown,) = differences({str(path): File("ada:new-hash", secret=True)})
    assert "hash" not in str(shown) and shown["before"] != shown["after"]
    (gone,) = differences({str(path): File(None, secret=True)})
    assert "hash" not in str(gone) and gone["after"] == ""
    (plain,) = differences({str(path): File("text")})
    assert plain["after"] == "text"


def test_other_rights_are_a_fault(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("files of root's")
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    secret.write_text("x")
    folder.mkdir()
    secret.chmod(0o640)
    folder.chmod(0o750)
    os.chown(secret, 0, 33)
    os.chown(folder, 0, 33)
    right = {str(secret): File("x", 0o640, 33)}, {str(folder): File("", 0o750, 33)}
    assert faults(*right) == []
    secret.chmod(0o644)
    folder.chmod(0o755)
    found = faults(*right)
    assert {fault.path for fault in found} == {str(secret), str(folder)}
    for fault in found:
        fault.mend()
    assert faults(*right) == []
