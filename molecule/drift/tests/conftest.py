# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the shipped command against the scenario's hosts, as an administrator does."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@dataclass(frozen=True)
class Run:
    exit_code: int
    output: str
    report: dict[str, t.Any]

    @property
    def verdicts(self) -> dict[str, str]:
        return {name: host["verdict"] for name, host in self.report["hosts"].items()}


def run_drift(*arguments: str) -> Run:
    report = EPHEMERAL / "drift.json"
    command = [ROOT / "scripts" / "research-server-drift", "--inventory", EPHEMERAL / "inventory", "--report", report]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode != 1, done.stderr
    return Run(done.returncode, done.stdout + done.stderr, json.loads(report.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def drift() -> Callable[..., Run]:
    return run_drift


@pytest.fixture(scope="session")
def servers() -> dict[str, t.Any]:
    """The hosts by name, as root on their consoles, whatever has happened to the way in over SSH."""
    names = json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text(encoding="utf-8"))
    return {name: testinfra.get_host(f"docker://{name}") for name in sorted(names)}
