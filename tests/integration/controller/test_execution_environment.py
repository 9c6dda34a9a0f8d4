# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment of docs/examples: ansible-builder understands it. Building it needs an image registry, and is not tested."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.tests.integration import peers

EXAMPLE = peers.ROOT / "docs" / "examples" / "execution-environment"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "example")
    return tmp_path / "example"


def create(folder: Path) -> subprocess.CompletedProcess[str]:
    builder = peers.python_environment("ansible-builder") / "bin" / "ansible-builder"
    # Else its name depends on which engine there is.
    return subprocess.run(
        [builder, "create", "--output-filename", "Containerfile"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ansible_builder_makes_a_context_that_has_what_a_run_needs(example: Path) -> None:
    done = create(example)
    assert done.returncode == 0, done.stdout + done.stderr
    context = example / "context"
    text = (context / "Containerfile").read_text()
    defined = yaml.safe_load((EXAMPLE / "execution-environment.yml").read_text())
    arguments = dict(re.findall(r'^ARG (\w+)="(.*)"$', text, re.MULTILINE))
    assert arguments["EE_BASE_IMAGE"] == defined["images"]["base_image"]["name"]
    assert arguments["PYPKG"] == "python3.12" and arguments["PYCMD"] == "/usr/bin/python3.12"
    installed = [defined["dependencies"][name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    assert arguments["ANSIBLE_INSTALL_REFS"].split() == installed
    assert re.search(r"ansible-galaxy collection install .*-r requirements\.yml", text)
    # What was named is what the image is made from.
    assert (context / "_build" / "requirements.yml").read_text() == (EXAMPLE / "requirements.yml").read_text()
    assert (context / "_build" / "bindep.txt").read_text() == (EXAMPLE / "bindep.txt").read_text()


def test_it_asks_for_the_ansible_and_the_collection_that_the_lab_would_get() -> None:
    defined = yaml.safe_load((EXAMPLE / "execution-environment.yml").read_text())
    least = yaml.safe_load((peers.ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"].removesuffix(".0")
    assert defined["dependencies"]["ansible_core"]["package_pip"].startswith(f"ansible-core{least},<")
    (collection,) = yaml.safe_load((EXAMPLE / "requirements.yml").read_text())["collections"]
    version = yaml.safe_load((peers.ROOT / "galaxy.yml").read_text())["version"]
    major, minor, _patch = version.split(".")
    assert collection == {"name": "openlab.research_server", "version": f">={version},<{major}.{int(minor) + 1}.0"}


def test_a_word_that_ansible_builder_does_not_know_is_seen(example: Path) -> None:
    path = example / "execution-environment.yml"
    path.write_text(path.read_text().replace("package_pip:", "package_pypi:"))
    assert create(example).returncode != 0
