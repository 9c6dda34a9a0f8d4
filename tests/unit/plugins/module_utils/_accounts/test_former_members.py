# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.former_members import told

ME, MINE = os.getuid(), os.getgid()


@pytest.fixture
def place(public_folder: Path) -> Path:
    for name, mode in {"with\x1b": 0o2755, "of the user": 0o4755, "locked": 0o2745, "plain": 0o755}.items():
        (public_folder / name).write_text("")
        (public_folder / name).chmod(mode)
    return public_folder


def test_programs_and_files_are_told(place: Path) -> None:
    programs, files = told("ada", "imaging", ME, MINE, [str(place)])
    assert f"(process {os.getpid()})" in programs or " more; expected none" in programs
    assert "'loginctl terminate-user ada'" in programs
    assert f"{place}/with\\x1b; expected none" in files


def test_who_has_nothing_hears_nothing(place: Path) -> None:
    assert told("ada", "imaging", ME, MINE + 54321, [str(place)]) == []
    assert told("ada", "imaging", ME + 54321, MINE, [str(place)]) == []
