# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others that work with this collection, each in a virtual environment of its own below .cache.

In .venv they would decide which versions our own tools get. They are made once, and again only when what they are made from has changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shell import CACHE, ROOT, locked

PLACE = CACHE / "peers"
SECONDS = 300
# pip's own words, and those of the C library. Anything else that is wrong is wrong here.
NOT_REACHED = re.compile(
    r"connection broken by|Could not fetch URL|Failed to establish a new connection|[Nn]ame resolution|timed out"
)


def python_environment(name: str) -> Path:
    """The virtual environment of requirements/peers/NAME.txt. Skips the test if the package index cannot be reached."""
    frozen, folder = ROOT / "requirements" / "peers" / f"{name}.txt", PLACE / name
    wanted = hashlib.sha256(frozen.read_bytes() + sys.version.encode()).hexdigest()
    with locked(f"peer-{name}"):
        stamp = folder / "stamp"
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            # Ours installs into it, and what a test uses of it is compiled when it is: neither is worth seconds of its own.
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=SECONDS)
            into = ("--python", folder / "bin" / "python", "install", "--no-compile")
            pip(name, *into, "--no-deps", "--only-binary", ":all:", "--requirement", frozen)
            stamp.write_text(wanted)
    return folder


def collection(name: str) -> Path:
    """A folder for ANSIBLE_COLLECTIONS_PATH that has this collection of others, from the wheel that ours are from."""
    frozen, folder = ROOT / "requirements" / "collections.txt", PLACE / name
    with locked(f"peer-{name}"):
        stamp = folder / "stamp"
        if not stamp.is_file() or stamp.read_bytes() != frozen.read_bytes():
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "wheel").mkdir(parents=True)
            pip(name, "download", "--no-deps", "--require-hashes", "-d", folder / "wheel", "-r", frozen)
            (wheel,) = (folder / "wheel").iterdir()
            subprocess.run(
                [sys.executable, ROOT / "tests/setup/collections_from_wheel.py", wheel, folder, name],
                check=True,
                timeout=SECONDS,
                capture_output=True,
            )
            shutil.rmtree(folder / "wheel")
            stamp.write_bytes(frozen.read_bytes())
    return folder


def pip(name: str, *arguments: str | Path) -> None:
    limits = ["--retries", "1", "--timeout", "20", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *limits],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0 and NOT_REACHED.search(done.stdout + done.stderr):
        pytest.skip(f"{name}: the Python package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
