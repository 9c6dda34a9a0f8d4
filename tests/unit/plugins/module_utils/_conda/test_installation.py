# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.installation import root_of


def program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "mini"
    program(root / "bin/python")
    for name in ("bin/conda", "condabin/conda", "bin/mamba"):
        program(root / name, f"#!{root}/bin/python\n")
    (root / "conda-meta").mkdir()
    (root / "conda-meta/conda-24.7.1-py311_0.json").write_text("{}")
    return root


@pytest.mark.parametrize("name", ["bin/conda", "condabin/conda", "bin/mamba"])
def test_a_program_of_an_installation(root: Path, name: str) -> None:
    assert root_of(str(root / name)) == str(root)


def test_links_copies_and_names_in_the_path(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/conda").symlink_to(root / "bin/conda")
    copy = program(tmp_path / "bin/copied", (root / "bin/conda").read_text())
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    for name in ("conda", str(tmp_path / "bin/conda"), str(copy)):
        assert root_of(name) == str(root)


def test_an_installation_that_is_reached_by_a_link_keeps_its_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(root)
    assert root_of(str(tmp_path / "current/bin/conda")) == str(tmp_path / "current")


@pytest.mark.parametrize("what", ["micromamba", "no python", "no package", "other package", "missing", "folder", "script"])
def test_what_is_no_installation_is_refused(root: Path, tmp_path: Path, what: str) -> None:
    name = root / "bin/conda"
    record = root / "conda-meta/conda-24.7.1-py311_0.json"
    if what == "micromamba":
        name = program(tmp_path / "usr/bin/micromamba", "\x7fELF")
    elif what == "no python":
        (root / "bin/python").unlink()
    elif what == "no package":
        record.unlink()
    elif what == "other package":
        record.rename(record.with_name("conda-pack-0.9.1-0.json"))
    elif what == "missing":
        name.unlink()
    elif what == "folder":
        name = root
    else:
        name = program(tmp_path / "usr/bin/conda", "#!/bin/sh\n")
    with pytest.raises(CondaEnvError, match=r"^executable: ") as error:
        root_of(str(name))
    assert error.value.way_out
