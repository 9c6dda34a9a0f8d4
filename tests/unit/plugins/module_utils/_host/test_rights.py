# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import rights
from ansible_collections.openlab.research_server.plugins.module_utils._host.rights import PRIVATE, Rights, faults, mend

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="whose a file is, decides")
ALICE = (1001, 1001)


@pytest.fixture
def file(public_folder: Path) -> Path:
    path = public_folder / "etc" / "x.conf"
    path.parent.mkdir(mode=0o755)
    path.write_text("x\n")
    path.chmod(0o644)
    return path


def seen(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def test_as_it_shall_be_and_what_is_missing(file: Path) -> None:
    assert faults({str(file): 0o644, str(file.with_name("missing")): 0o644, "/nowhere/at/all": 0o600}) == []
    assert faults({str(file.parent): 0o644}) == [], "a folder in the place of a file is told by who writes the file"


@pytest.mark.parametrize(("owner", "mode"), [(ALICE, 0o644), ((0, 1001), 0o644), ((0, 0), 0o646), ((0, 0), 0o600)])
def test_an_own_file_has_precisely_its_mode(file: Path, owner: tuple[int, int], mode: int) -> None:
    os.chown(file, *owner)
    file.chmod(mode)
    found = faults({str(file): 0o644})
    (difference,) = rights.differences(found)
    assert difference["before_header"] == str(file)
    assert f"mode {mode:04o}" in difference["before"] and difference["after"] == "owner root, group root, mode 0644\n"
    mend(found)
    assert seen(file) == (0, 0, 0o644) and faults({str(file): 0o644}) == []


@pytest.mark.parametrize(
    ("wanted", "owner", "mode", "after"),
    [
        (Rights(), (0, 7), 0o640, None),
        (Rights(), (0, 7), 0o660, (0, 7, 0o640)),
        (Rights(), (0, 0), 0o646, (0, 0, 0o644)),
        (Rights(), ALICE, 0o644, (0, 1001, 0o644)),
        (PRIVATE, (0, 7), 0o640, None),
        (PRIVATE, (0, 0), 0o644, (0, 0, 0o640)),
    ],
)
def test_a_file_of_somebody_else_is_roots(
    file: Path, wanted: Rights, owner: tuple[int, int], mode: int, after: tuple[int, int, int] | None
) -> None:
    os.chown(file, *owner)
    file.chmod(mode)
    found = faults({str(file): wanted})
    assert bool(found) == (after is not None)
    mend(found)
    assert seen(file) == (after or (*owner, mode))


@pytest.mark.parametrize(
    ("owner", "mode", "after"),
    [
        (ALICE, 0o755, (0, 1001, 0o755)),
        ((0, 0), 0o777, (0, 0, 0o755)),
        ((0, 1001), 0o775, (0, 1001, 0o755)),
        ((0, 0), 0o775, None),
        ((0, 0), 0o1777, None),
    ],
)
def test_folders_above_belong_to_root_alone(
    file: Path, owner: tuple[int, int], mode: int, after: tuple[int, int, int] | None
) -> None:
    os.chown(file.parent, *owner)
    file.parent.chmod(mode)
    found = faults({str(file): 0o644})
    assert [fault.path for fault in found] == ([str(file.parent)] if after else [])
    assert faults({}, [str(file.parent)]) == found
    mend(found)
    assert seen(file.parent) == (after or (*owner, mode))


@pytest.mark.parametrize(
    ("mode", "opened"), [(0o000, 0o755), (0o700, 0o755), (0o750, None), (0o711, None), (0o755, None), (0o2700, 0o2755)]
)
def test_a_folder_is_open_to_more_than_its_owner(public_folder: Path, mode: int, opened: int | None) -> None:
    passage = public_folder / "opt"
    passage.mkdir()
    passage.chmod(mode)
    (public_folder / "link").symlink_to("opt")
    found = rights.closed(map(str, (passage, public_folder / "link", public_folder / "missing")))
    assert [fault.mode for fault in found] == ([opened] if opened else [])
    mend(found)
    assert stat.S_IMODE(passage.stat().st_mode) == (opened or mode)
    assert rights.closed([str(passage)]) == []


def test_a_link_in_the_place_of_an_own_file_is_taken_away_and_not_followed(file: Path) -> None:
    target = file.with_name("target")
    file.rename(target)
    file.symlink_to(target)
    found = faults({str(file): 0o600})
    assert rights.differences(found)[0]["before"].startswith("no file, ")
    mend(found)
    assert not file.is_symlink() and seen(target) == (0, 0, 0o644)
    file.symlink_to(target)
    assert faults({str(file): Rights()}) == [], "somebody else may have made it one"


def test_another_file_by_now_is_left_alone(file: Path) -> None:
    file.chmod(0o666)
    found = faults({str(file): 0o644})
    file.rename(file.with_name("old"))
    file.write_text("new\n")
    file.chmod(0o600)
    mend(found)
    assert seen(file)[2] == 0o600 and seen(file.with_name("old"))[2] == 0o666


def test_secrets_in_a_folder_of_somebodys(public_folder: Path) -> None:
    folder = public_folder / "alice"
    folder.mkdir(mode=0o755)
    for name in ("token", "linked", "cookie", "foreign"):
        (folder / name).write_text("s")
        (folder / name).chmod(0o644)
        os.chown(folder / name, *ALICE)
    os.chown(folder / "foreign", 0, 0)
    os.link(folder / "linked", public_folder / "of-bob")
    (folder / "soft").symlink_to(public_folder / "of-bob")
    names = ("token", "linked", "cookie", "foreign", "soft", "missing")
    found = rights.private_faults(str(folder), names, ALICE)
    assert [Path(fault.path).name for fault in found] == ["alice", "token", "cookie"]
    mend(found)
    assert seen(folder) == (*ALICE, 0o700) and seen(folder / "token") == (*ALICE, 0o600)
    assert seen(public_folder / "of-bob")[2] == 0o644
    assert rights.private_faults(str(folder), names, ALICE) == []
    assert rights.private_faults(str(public_folder / "nobody"), names, ALICE) == []
