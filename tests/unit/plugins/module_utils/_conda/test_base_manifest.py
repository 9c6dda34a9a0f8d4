# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of a conda installation, and told of it later. A real conda changes in tests/integration."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import base_manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.installer import MARKER

STARTUP = "etc/profile.d/conda.sh"
LONG_AGO = 1_600_000_000


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (LONG_AGO, LONG_AGO))
    path.chmod(0o755 if path.parent.name == "bin" else 0o644)


def add(prefix: Path, name: str, version: str = "1", content: str = "") -> None:
    """A package with one program."""
    text = f"{name} {version}"
    put(prefix / f"bin/{name}", content or text)
    path = {"_path": f"bin/{name}", "sha256": hashlib.sha256(text.encode()).hexdigest(), "size_in_bytes": len(text)}
    record = {"name": name, "version": version, "build": "0", "url": f"https://lab/noarch/{name}-{version}-0.conda"}
    put(prefix / f"conda-meta/{name}-{version}-0.json", json.dumps({**record, "paths_data": {"paths": [path]}}))


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A base as an installer leaves it, with an environment and somebody's file that are none of its business."""
    path = tmp_path / "conda"
    add(path, "conda")
    # It is not as its record says from the start.
    add(path, "moody", content="MOODY 1")
    put(path / "conda-meta/history", "")
    put(path / STARTUP, "export CONDA_EXE")
    put(path / "bin/__pycache__/x.cpython-311.pyc", "byte code")
    put(path / "lib/python3.11/site-packages/README.txt", "")
    put(path / "envs/nlp/bin/tool", "tool")
    put(path / "mine", "mine")
    base_manifest.write_down(str(path), str(path), "00")
    put(path / MARKER, "{}")
    os.utime(path / MARKER)
    return path


def pip(prefix: Path) -> None:
    info = prefix / "lib/python3.11/site-packages/tiny-1.0.dist-info"
    put(info / "METADATA", "Name: tiny\nVersion: 1.0\n")
    put(info / "RECORD", "")


def package_and_program(prefix: Path) -> None:
    add(prefix, "extra")
    (prefix / "bin/conda").unlink()


def upgrade(prefix: Path) -> None:
    (prefix / "conda-meta/conda-1-0.json").unlink()
    add(prefix, "conda", "2")


CONDA = "conda package {} 0 https://lab was added"
CHANGES: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "a program": (lambda it: put(it / "bin/conda", "CONDA 1!"), "1 file is not as installed: bin/conda (altered)"),
    "a program is gone": (lambda it: (it / "bin/conda").unlink(), "1 file is not as installed: bin/conda (missing)"),
    "what each shell reads": (lambda it: put(it / STARTUP, "evil"), f"1 file is not as installed: {STARTUP} (altered)"),
    "a package": (lambda it: add(it, "extra"), CONDA.format("extra 1")),
    "a package of pip": (pip, "pip package tiny 1.0 pypi_0 pypi was added"),
    "another version": (upgrade, "conda package conda 1 0 https://lab is missing; " + CONDA.format("conda 2")),
    "a record": (
        lambda it: put(it / "conda-meta/history", "edited"),
        "records of conda or pip were changed by hand: conda-meta/history",
    ),
    "packages and files": (
        package_and_program,
        CONDA.format("extra 1") + "; 1 file is not as installed: bin/conda (missing)",
    ),
    "a record that is none": (
        lambda it: put(it / "conda-meta/conda-1-0.json", "{"),
        "the record {}/conda-meta/conda-1-0.json cannot be read: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1); 1 file is not as installed: conda-meta/conda-1-0.json: no record of a package (unusable record)",
    ),
    "somebody's file": (lambda it: put(it / "mine", "changed"), ""),
    "an environment": (lambda it: (it / "envs/nlp/bin/tool").unlink(), ""),
    "byte code": (lambda it: put(it / "bin/__pycache__/x.cpython-311.pyc", "other"), ""),
    "nothing": (lambda it: None, ""),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("level", ["files", "full"])
def test_what_became_of_a_base(prefix: Path, case: str, level: str) -> None:
    change, reason = CHANGES[case]
    change(prefix)
    assert base_manifest.look(str(prefix), level).reason == reason.format(prefix)
    assert base_manifest.look(str(prefix), "metadata") == base_manifest.Look()


def test_a_difference_has_packages_and_files(prefix: Path) -> None:
    upgrade(prefix)
    put(prefix / STARTUP, "evil")
    seen = base_manifest.look(str(prefix), "files")
    assert seen.before[0] == "conda 2 0 https://lab"
    assert seen.before[1].startswith(f"conda {STARTUP}: altered, sha256:")
    assert seen.after[0] == "conda 1 0 https://lab"
    assert seen.after[1].startswith(f"conda {STARTUP}: as installed, sha256:")


def test_a_base_is_written_down_before_it_is_in_its_place(prefix: Path) -> None:
    beside = prefix.with_name("conda.next")
    prefix.rename(beside)
    base_manifest.write_down(str(beside), str(prefix), "00")
    assert not prefix.exists()
    beside.rename(prefix)
    assert not base_manifest.look(str(prefix), "full").reason
    add(prefix, "extra")
    assert base_manifest.look(str(prefix), "full").reason == CONDA.format("extra 1")


def test_of_an_earlier_version_the_files_of_packages_are_known(prefix: Path) -> None:
    (prefix / base_manifest.INSTALLED).unlink()
    pip(prefix)
    put(prefix / STARTUP, "evil")
    assert base_manifest.look(str(prefix), "full").reason == "1 file is not as installed: bin/moody (altered)"
    (prefix / MARKER).unlink()
    assert not base_manifest.look(str(prefix), "full").reason


def test_what_a_task_added_is_right_and_what_was_damaged_stays_so(prefix: Path) -> None:
    put(prefix / STARTUP, "evil")
    damaged = base_manifest.before_adding(str(prefix))
    assert damaged == {STARTUP}
    add(prefix, "extra", content="EXTRA 1")
    assert "extra" in base_manifest.look(str(prefix), "full").reason
    base_manifest.added_to(str(prefix), damaged)
    assert base_manifest.look(str(prefix), "full").reason == f"1 file is not as installed: {STARTUP} (altered)"


def test_a_damaged_file_of_a_package_stays_damaged_when_a_task_adds_another(prefix: Path) -> None:
    put(prefix / "bin/conda", "CONDA 1")
    damaged = base_manifest.before_adding(str(prefix))
    add(prefix, "extra")
    base_manifest.added_to(str(prefix), damaged)
    assert base_manifest.look(str(prefix), "full").reason == "1 file is not as installed: bin/conda (altered)"


def test_what_somebody_added_before_a_task_did_is_not_right(prefix: Path) -> None:
    add(prefix, "theirs")
    damaged = base_manifest.before_adding(str(prefix))
    assert damaged is None
    add(prefix, "extra")
    base_manifest.added_to(str(prefix), damaged)
    assert base_manifest.look(str(prefix), "full").reason == f"{CONDA.format('extra 1')}; {CONDA.format('theirs 1')}"


def test_of_what_was_never_written_down_nothing_is(tmp_path: Path) -> None:
    add(tmp_path, "conda")
    assert base_manifest.before_adding(str(tmp_path)) is None
    base_manifest.added_to(str(tmp_path), set())
    assert not (tmp_path / base_manifest.INSTALLED).exists()
