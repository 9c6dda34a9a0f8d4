# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of one real run of ansible-playbook on this machine, with their times and results."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A managed host's interpreter, not the controller's virtual environment.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
HOST = "here"


@dataclass(frozen=True)
class Done:
    """A task that has run: when it began (seconds), and what the module returned."""

    start: float
    result: dict[str, Any]


def play(tasks: Sequence[dict[str, Any]], **variables: str) -> list[Done]:
    """Run tasks over the local connection; none may fail or change anything."""
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "play.yml"
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
        options = ["-i", f"{HOST},", "-c", "local", "-e", f"ansible_python_interpreter={PYTHON}"]
        environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", **variables}
        ran = subprocess.run(["ansible-playbook", *options, book], env=environment, capture_output=True, text=True, check=False)
    if not ran.stdout.startswith("{"):
        raise SystemExit(ran.stdout + ran.stderr)
    done = [
        Done(seconds(task["task"]["duration"]["start"]), task["hosts"][HOST])
        for task in json.loads(ran.stdout)["plays"][0]["tasks"]
    ]
    for task in done:
        if task.result.get("failed") or task.result["changed"]:
            raise SystemExit(f"failed or changed: {task.result.get('msg')} {task.result.get('plan', {}).get('reasons')}")
    return done


def seconds(moment: str) -> float:
    """A time of the callback as a number."""
    return datetime.datetime.fromisoformat(moment).timestamp()
