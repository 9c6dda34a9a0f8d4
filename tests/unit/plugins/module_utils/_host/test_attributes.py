# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import attributes, rights

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root sets attributes")


@pytest.mark.parametrize(("flag", "says"), [("i", "immutable"), ("a", "append only")])
def test_a_file_that_nobody_can_change_is_told_and_unlocked(public_folder: Path, flag: str, says: str) -> None:
    file = public_folder / "file"
    file.write_text("x")
    file.chmod(0o644)
    assert attributes.locked(str(file)) == attributes.locked(str(public_folder / "none")) == ""
    if subprocess.run(["chattr", f"+{flag}", file], check=False, capture_output=True).returncode:
        pytest.skip("no attributes can be set here")
    try:
        found = rights.faults({str(file): 0o644})
        assert [fault.locked for fault in found] == [says]
        assert f", {says}\n" in found[0].difference()["before"]
        rights.mend(found)
        assert rights.faults({str(file): 0o644}) == []
    finally:
        subprocess.run(["chattr", f"-{flag}", file], check=False)
