# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter import sessions

DEBIAN = "# here\nsession required pam_unix.so\n# end of pam-auth-update config\n"
OTHERS = "session required pam_unix.so\n-session\toptional\tpam_systemd.so\n"


def test_lines_come_once_and_go_again() -> None:
    there = sessions.with_lines(DEBIAN, True)
    assert there.startswith(DEBIAN) and there.splitlines()[-2:] == list(sessions.LINES[1:])
    assert sessions.with_lines(there, True) == there
    assert sessions.with_lines(there, False) == sessions.with_lines(DEBIAN, False) == DEBIAN
    cut = there.replace(sessions.LINES[1], "# session")
    assert sessions.with_lines(cut, True).splitlines()[-3:] == list(sessions.LINES), "one without the other is mended"


def test_a_stack_that_does_so_itself_stays() -> None:
    assert sessions.with_lines(OTHERS, True) == sessions.with_lines(OTHERS, False) == OTHERS
    commented = "# session optional pam_systemd.so\n"
    assert sessions.with_lines(commented, True) != commented


def test_where_there_is_no_such_stack_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "STACK", str(tmp_path / "absent"))
    assert list(sessions.files("header", True)) == [sessions.LOGIND]
    assert sessions.files("header", False) == {sessions.LOGIND: ""}
