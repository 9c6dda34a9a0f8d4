# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import owner as conda_owner
from ansible_collections.openlab.research_server.plugins.module_utils._conda.build import tidy_permissions
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.owner import Owner, owner_of, resolve

ME = pwd.getpwuid(os.geteuid())
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.mark.parametrize(("owner", "group"), [(None, None), (ME.pw_name, None), (str(ME.pw_uid), str(ME.pw_gid))])
def test_oneself(owner: str | None, group: str | None) -> None:
    assert resolve(owner, group).uid == ME.pw_uid


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "expected"),
    [
        ("nobody", None, Owner(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)),
        ("nobody", "root", Owner(pwd.getpwnam("nobody").pw_uid, 0)),
        ("54321", None, Owner(54321, 54321)),
        (None, "54321", Owner(0, 54321)),
    ],
)
def test_somebody_else(owner: str | None, group: str | None, expected: Owner) -> None:
    assert resolve(owner, group) == expected


@pytest.mark.parametrize(("owner", "group"), [("no-such-user", None), (None, "no-such-group")])
def test_who_does_not_exist_is_named(owner: str | None, group: str | None) -> None:
    with pytest.raises(CondaEnvError, match="no-such-"):
        resolve(owner, group)
    assert "(to be created)" in resolve(owner, group, foreseen=True).names()


def test_only_root_gives_files_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda_owner.os, "geteuid", lambda: 1234)
    with pytest.raises(CondaEnvError, match="only root"):
        resolve("root", None)


@as_root
def test_other_names_of_a_file_keep_their_owner(tmp_path: Path) -> None:
    cache, prefix = tmp_path / "cache", tmp_path / "prefix"
    for folder in (cache, prefix / "bin"):
        folder.mkdir(parents=True)
    (cache / "tool").write_text("text")
    (cache / "tool").chmod(0o757)
    os.utime(cache / "tool", (5, 5))
    os.link(cache / "tool", prefix / "bin/tool")
    (prefix / "bin/link").symlink_to("tool")
    owner = Owner(1234, 2345)
    assert owner.reason(str(prefix)) == "it belongs to root:root, not to 1234:2345"
    tidy_permissions(str(prefix), owner)
    assert owner.reason(str(prefix)) == ""
    assert {owner_of(str(path)) for path in [prefix, *prefix.rglob("*")]} == {owner}
    assert owner_of(str(cache / "tool")) == Owner(0, 0)
    status = (prefix / "bin/tool").stat()
    assert (status.st_mode & 0o777, status.st_mtime, status.st_nlink) == (0o755, 5, 1)
    assert sorted(path.name for path in (prefix / "bin").iterdir()) == ["link", "tool"]
