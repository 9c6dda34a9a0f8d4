# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import pip as conda_pip
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.process import clean_environment
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import Package
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import parse


def specification(*lines: str, **files: str):
    definition = {"channels": ["c"], "dependencies": ["pip", {"pip": list(lines)}]}
    return parse(definition, {name.replace("_", "."): text for name, text in files.items()})


def test_conda_packages_are_constraints_but_the_tools_are_not() -> None:
    installed = [
        Package("numpy", "2.1.3"),
        Package("pip", "26.3"),
        Package("setuptools", "84"),
        Package("odd", "unknown version"),
    ]
    assert conda_pip.constraints(installed) == "numpy==2.1.3\n"


def test_named_files_are_written_where_only_their_owner_reads_them(tmp_path: Path) -> None:
    found = specification("x==1", "-r a.txt", "-c b.txt", "-r https://h.example/r.txt", a_txt="-r b.txt\ny\n", b_txt="z<2\n")
    main = Path(conda_pip.requirement_files(found, str(tmp_path)))
    first, second = tmp_path / "requirements-1.txt", tmp_path / "requirements-2.txt"
    assert main.read_text() == f"x==1\n-r {first}\n-c {second}\n-r https://h.example/r.txt\n"
    assert first.read_text() == f"-r {second}\ny\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_file_that_did_not_come_along_is_an_error() -> None:
    with pytest.raises(CondaEnvError, match=r"b\.txt"):
        conda_pip.check_files(specification("-r a.txt", a_txt="-r b.txt\n"))
    conda_pip.check_files(specification("-r a.txt", "-r https://h.example/x", a_txt="x\n"))


def test_configuration_in_variables_does_not_reach_conda_or_pip() -> None:
    variables = {
        "PATH": "/usr/bin",
        "HTTPS_PROXY": "http://proxy",
        "CONDA_OVERRIDE_CUDA": "12",
        "CONDA_CHANNELS": "evil",
        "CONDARC": "/evil",
        "PIP_INDEX_URL": "evil",
        "PYTHONPATH": "evil",
        "MAMBA_ROOT_PREFIX": "evil",
        "XDG_CONFIG_HOME": "/evil",
        "VIRTUAL_ENV": "/evil",
        "CI": "true",  # conda-anaconda-tos would accept terms of service in the name of the lab
    }
    assert set(clean_environment(variables, "/tmp/x")) == {"PATH", "HTTPS_PROXY", "CONDA_OVERRIDE_CUDA", "LC_ALL", "TMPDIR"}


def test_pip_is_told_to_go_on_where_people_are_kept_from_using_it(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.12").mkdir(parents=True)
    assert conda_pip.consent(str(tmp_path)) == []
    (tmp_path / "lib/python3.12/EXTERNALLY-MANAGED").touch()
    assert conda_pip.consent(str(tmp_path)) == ["--break-system-packages"]
