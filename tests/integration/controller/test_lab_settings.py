# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new lab's ansible.cfg makes of Ansible."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_python_that_somebody_has_put_into_the_path_is_not_taken(tmp_path: Path) -> None:
    """pyenv's are links to a program that ends with 127; others lack the distribution's modules, such as python3-apt."""
    shutil.copy(ROOT / "playbooks/files/new_lab/ansible.cfg", tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": {"ansible_connection": "local"}}}}))
    folder = tmp_path / "bin"
    folder.mkdir()
    for version in range(9, 20):
        (folder / f"python3.{version}").write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        (folder / f"python3.{version}").chmod(0o755)
    env = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    command = ["ansible", "all", "-m", "ping", "-e", "ansible_connection=local"]
    env["PATH"] = f"{folder}:{env['PATH']}"
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert '"ping": "pong"' in done.stdout, done.stdout + done.stderr
