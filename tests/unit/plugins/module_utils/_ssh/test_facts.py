# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._ssh.facts import _newer_than


def test_what_was_written_after_sshd_has_read_it(tmp_path: Path) -> None:
    mark, old, new, folder = (tmp_path / name for name in ("pid", "old", "new", "sshd_config.d"))
    for file in (mark, old, new):
        file.write_text("x")
    folder.mkdir()
    for path, seconds in ((old, 99), (mark, 100), (new, 101), (folder, 100)):
        os.utime(path, (seconds, seconds))
    paths = [str(path) for path in (new, old, folder, tmp_path / "gone")]
    assert _newer_than(str(mark), paths) == (str(new),)
    # Somebody has put a file there, had it read, and taken it away.
    (folder / "weak.conf").write_text("x")
    (folder / "weak.conf").unlink()
    assert _newer_than(str(mark), paths) == (str(new), str(folder))
    # Where systemd starts one sshd for each connection, there is none that could be out of date.
    assert _newer_than(str(tmp_path / "none"), paths) == ()
