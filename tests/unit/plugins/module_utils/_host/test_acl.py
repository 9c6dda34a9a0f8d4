# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import acl, rights

OWNER, GROUP, OTHER = (0x01, 6, 0), (0x04, 4, 0), (0x20, 4, 0)
ALICE, PROJECT, ROOT = (0x02, 6, 1001), (0x08, 7, 1005), (0x02, 7, 0)


def packed(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize(
    ("entries", "right", "found"),
    [
        ((OWNER, GROUP, OTHER), acl.WRITE, []),
        ((OWNER, ALICE, GROUP, (0x10, 7, 0), OTHER), acl.WRITE, [("user", 1001)]),
        ((OWNER, GROUP, PROJECT, (0x10, 7, 0), OTHER), acl.WRITE, [("group", 1005)]),
        # The mask takes it away again, as chmod(1) does.
        ((OWNER, ALICE, GROUP, (0x10, 5, 0), OTHER), acl.WRITE, []),
        ((OWNER, ALICE, GROUP, (0x10, 5, 0), OTHER), acl.READ, [("user", 1001)]),
        ((OWNER, ROOT, GROUP, (0x10, 7, 0), OTHER), acl.WRITE, []),
    ],
)
def test_whom_a_list_names(entries: tuple[tuple[int, int, int], ...], right: int, found: list[tuple[str, int]]) -> None:
    assert acl.parse(packed(*entries), right) == found


def test_a_file_without_a_list_and_none_at_all(tmp_path: Path) -> None:
    assert acl.named(str(tmp_path), acl.WRITE) == acl.named(str(tmp_path / "none"), acl.WRITE) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="whose a file is, decides")
def test_a_folder_that_a_list_opens_is_closed_again(public_folder: Path) -> None:
    folder = public_folder / "folder"
    folder.mkdir(mode=0o755)
    try:
        os.setxattr(
            folder,
            acl.ATTRIBUTE,
            packed((1, 7, 0xFFFFFFFF), (2, 7, 1001), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF)),
        )
    except OSError:
        pytest.skip("this file system has no access lists")
    found = rights.faults({}, [str(folder)])
    assert [fault.path for fault in found] == [str(folder)]
    rights.mend(found)
    assert rights.faults({}, [str(folder)]) == []
    assert acl.named(str(folder), acl.WRITE) == []
