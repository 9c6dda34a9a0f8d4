# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of shells are to contain, and whose they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import shell_files
from ansible_collections.openlab.research_server.plugins.module_utils._conda.shell_files import READS_PROFILE


def test_a_shell_that_is_not_installed_gets_nothing(tmp_path: Path) -> None:
    files = {str(tmp_path / "here"): "text\n", str(tmp_path / "fish/conf.d/conda.fish"): "text\n"}
    assert shell_files.texts(files, [str(tmp_path / "zsh/zshenv")]) == {str(tmp_path / "here"): "text\n"}


@pytest.mark.parametrize(
    "text",
    ["", "own\n", f"{READS_PROFILE}\n", f"{READS_PROFILE}\nown\n", f"own\n{READS_PROFILE}\n", f"{READS_PROFILE}\n" * 2 + "own\n"],
)
def test_the_line_is_the_first_and_the_rest_as_it_was(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bash.bashrc"
    path.write_text(text)
    expected = f"{READS_PROFILE}\n{'own' * ('own' in text)}{chr(10) * ('own' in text)}"
    assert shell_files.texts({}, [str(path)]) == {str(path): expected}
    path.write_text(expected)
    assert shell_files.texts({}, [str(path)]) == {str(path): expected}


@pytest.mark.parametrize(("text", "mode"), [("#!/bin/sh\n", 0o755), ("# text\n", 0o644), ("", 0o644)])
def test_a_program_can_be_run(text: str, mode: int) -> None:
    assert shell_files.mode(text) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="what others own is for root to give back")
def test_who_may_write_is_told(tmp_path: Path) -> None:
    program, profile, package = (tmp_path / name for name in ("program", "profile", "package"))
    for path in (program, profile, package):
        path.write_text("")
        path.chmod(0o644)
    files = {str(program): "#!/bin/sh\n", str(profile): "text\n"}

    def faults() -> dict[str, int]:
        found = shell_files.faults(files, [str(package)])
        return {os.path.basename(fault.path): fault.mode for fault in found if fault.path.startswith(str(tmp_path))}

    assert faults() == {"program": 0o755}
    program.chmod(0o755)
    package.chmod(0o600)  # somebody's decision
    assert faults() == {}
    package.chmod(0o666)
    os.chown(profile, 1, 0)
    assert faults() == {"package": 0o644, "profile": 0o644}
