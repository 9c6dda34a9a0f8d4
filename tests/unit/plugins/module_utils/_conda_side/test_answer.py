# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._conda.conda_side_archive import conda_side_archive
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.answer import describe


def test_an_error_from_a_process_of_its_own_keeps_its_type() -> None:
    error = RuntimeError("conda.exceptions.NoSpaceLeftError: No space left on devices.")
    assert "NoSpaceLeftError" in describe(error)["types"]
    assert "NoSpaceLeftError" not in describe(ValueError(str(error)))["types"]


def test_files_of_extracted_packages_are_hashed_in_a_process_of_its_own(tmp_path: Path) -> None:
    big, small = b"x" * (3 << 20), b"small"
    (tmp_path / "a-1-0/info").mkdir(parents=True)
    (tmp_path / "a-1-0/big").write_bytes(big)
    (tmp_path / "a-1-0/small").write_bytes(small)
    (tmp_path / "a-1-0/link").symlink_to("small")
    kinds = {"big": "hardlink", "small": "hardlink", "link": "softlink", "gone": "hardlink"}
    paths = [{"_path": name, "path_type": kind} for name, kind in kinds.items()]
    (tmp_path / "a-1-0/info/paths.json").write_text(json.dumps({"paths": paths}))
    folders = [f"{tmp_path}/a-1-0", f"{tmp_path}/b-1-0"]
    (tmp_path / "folders.json").write_text(json.dumps(folders))
    command = [sys.executable, "-I", conda_side_archive(str(tmp_path)), "--hash", tmp_path / "folders.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    digests = {"big": hashlib.sha256(big).hexdigest(), "small": hashlib.sha256(small).hexdigest(), "gone": ""}
    assert found == {f"{tmp_path}/a-1-0/{name}": digest for name, digest in digests.items()}


def test_a_library_that_crashes_when_the_interpreter_ends_harms_no_answer(tmp_path: Path) -> None:
    (tmp_path / "conda").mkdir()
    (tmp_path / "conda/__init__.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    (tmp_path / "request.json").write_text("{}")
    command = [sys.executable, "-s", conda_side_archive(str(tmp_path)), tmp_path / "request.json", tmp_path / "result.json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False, capture_output=True)
    assert done.returncode == 0
    assert "ModuleNotFoundError" in json.loads((tmp_path / "result.json").read_text())["error"]["types"]
