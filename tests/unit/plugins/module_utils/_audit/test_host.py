# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people own may be anything: an audit is neither led away by it, nor kept busy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import host as room
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Account, Host, accounts, groups, names


def host(root: Path, seconds: float = 60.0) -> Host:
    return Host(lambda *argv: (127, "", "not found"), str(root), seconds)


def test_only_the_beginning_of_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one\xff\n" + b"x" * 100)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    here = host(tmp_path)
    assert here.text("/file", limit=5) == "one\udcff\n"
    assert [here.text(f"/{name}") for name in ("link", "folder", "pipe", "nothing")] == [None] * 4
    assert here.text("/dev/null") is None


def test_a_program_that_fails_says_nothing(tmp_path: Path) -> None:
    assert host(tmp_path).output("nft", "-j", "list", "ruleset") == ""


def test_a_walk_follows_no_link_and_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "top/inner").mkdir(parents=True)
    (tmp_path / "top/inner/file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret").touch()
    (tmp_path / "top/way").symlink_to(tmp_path / "elsewhere")
    assert sorted(path for path, _status in host(tmp_path).walk("/top")) == ["/top/inner", "/top/inner/file", "/top/way"]
    assert list(host(tmp_path).walk("/top/way")) == []
    assert list(host(tmp_path, seconds=0).walk("/top")) == []


def test_a_folder_without_end_is_not_read_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(room, "ENTRIES", 3)
    assert len(host(tmp_path).names("/")) == 3


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\n+::::::\nada:x:a:1::/home/ada:/bin/sh\n\nada:x:1000:1000::/home/ada:/usr/sbin/nologin\n"
    )
    (tmp_path / "etc/group").write_text("sudo:x:27:ada,grace\nbroken\nadm:x:4:\n")
    found = accounts(host(tmp_path))
    assert found == [Account("root", 0, 0, "/root", "/bin/bash"), Account("ada", 1000, 1000, "/home/ada", "/usr/sbin/nologin")]
    assert [account.logs_in for account in found] == [True, False]
    assert groups(host(tmp_path)) == {"sudo": (27, ("ada", "grace")), "adm": (4, ())}


def test_the_first_account_of_a_number_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\nada:x:1000:1000::/:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n")
    assert names(host(tmp_path)) == {0: "root", 1000: "ada"}
