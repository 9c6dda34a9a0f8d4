# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a lab has it: built, installed, and started a repository from; nothing of the checkout is found."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPENDENCIES = ROOT / ".cache" / "collections" / "ansible_collections"


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command without what points Ansible or Python to the checkout.

    Raises :class:`AssertionError` with the command's output if it fails.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_", "PYTHONPATH"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done


def build(folder: Path) -> Path:
    """Build the artifact into a folder."""
    run("ansible-galaxy", "collection", "build", "--output-path", folder, ROOT, cwd=folder)
    return next(folder.glob("openlab-research_server-*.tar.gz"))


@dataclass(frozen=True)
class Installed:
    """A collections folder with the artifact and, beside it, what it depends on."""

    folder: Path

    @classmethod
    def of(cls, artifact: Path, folder: Path) -> Installed:
        options = ("--no-deps", "-p", folder, artifact)
        run("ansible-galaxy", "collection", "install", *options, cwd=artifact.parent, ANSIBLE_COLLECTIONS_PATH=str(folder))
        for namespace in ("ansible", "community"):
            (folder / "ansible_collections" / namespace).symlink_to(DEPENDENCIES / namespace)
        return cls(folder)

    @property
    def collection(self) -> Path:
        return self.folder / "ansible_collections" / "openlab" / "research_server"

    def run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command that finds this installation and no other."""
        return run(*command, cwd=cwd, ANSIBLE_COLLECTIONS_PATH=str(self.folder))

    def new_lab(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Start a lab's own repository, as the README says."""
        playbook = "openlab.research_server.new_lab"
        return self.run("ansible-playbook", playbook, "-i", "localhost,", "-e", f"new_lab_directory={folder}", cwd=folder.parent)
