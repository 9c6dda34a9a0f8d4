# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing what the machine lacks, with an apt-get that only says what it was asked for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import debian_packages
import pytest
import shell
from shell import TestbedError

# Fails like the real one while another one runs, and while the lists are missing.
APT_GET = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 1
mkdir lock || { echo 'E: Could not get lock' >&2; exit 100; }
trap 'rmdir lock' EXIT
sleep 0.3
echo "$@" >> asked
case "$*" in
*update*) : > lists ;;
*) [ -e lists ] || exit 100; printf '#!/bin/sh\\n' > newtool; chmod +x newtool ;;
esac
"""


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text(APT_GET)
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(shell, "CACHE", tmp_path)
    monkeypatch.setattr(debian_packages, "is_root", lambda: True)
    return folder


def test_two_that_need_the_same_program_install_it_once(bin_folder: Path) -> None:
    (bin_folder / "lists").touch()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: debian_packages.need("newtool", "new-tool", "its-friend"), range(2)))
    (asked,) = (bin_folder / "asked").read_text().splitlines()
    assert "DPkg::Lock::Timeout=600" in asked
    assert asked.endswith("install -y --no-install-recommends new-tool its-friend")


def test_missing_lists_are_fetched(bin_folder: Path) -> None:
    debian_packages.need("newtool", "new-tool")
    asked = (bin_folder / "asked").read_text().splitlines()
    assert [("update" in line, "install" in line) for line in asked] == [(False, True), (True, False), (False, True)]


def test_what_is_there_is_not_installed(bin_folder: Path) -> None:
    debian_packages.need("apt-get", "apt")
    assert not (bin_folder / "asked").exists()


def test_who_is_not_root_is_told_the_command(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian_packages, "is_root", lambda: False)
    with pytest.raises(TestbedError, match="Run: sudo apt-get install -y new-tool its-friend") as caught:
        debian_packages.need("newtool", "new-tool", "its-friend")
    assert caught.value.status == 2
