# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import pip as conda_pip
from ansible_collections.openlab.research_server.plugins.module_utils._conda.additions import Additions
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.process import Completed, clean_environment
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import Package
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Specification, parse
from ansible_collections.openlab.research_server.plugins.module_utils._conda.workshop import Workshop


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
        specification("-r a.txt", a_txt="-r b.txt\n").check_files()
    specification("-r a.txt", "-r https://h.example/x", a_txt="x\n").check_files()


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


GIT = """\
  Running command git clone --filter=blob:none --quiet ssh://git@h.example/x /tmp/x
  git@h.example: Permission denied (publickey).
  fatal: Could not read from remote repository.

  Please make sure you have the correct access rights
  and the repository exists.
  error: subprocess-exited-with-error

  \u00d7 git clone --filter=blob:none --quiet ssh://git@h.example/x /tmp/x did not run successfully.
  │ exit code: 128
  ╰─> See above for output.

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: subprocess-exited-with-error

\u00d7 git clone --filter=blob:none --quiet ssh://git@h.example/x /tmp/x did not run successfully.
│ exit code: 128
╰─> See above for output.

note: This error originates from a subprocess, and is likely not a problem with pip.
"""
BUILD = """\
  error: subprocess-exited-with-error

  \u00d7 Building wheel for x (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [3 lines of output]
      running build_ext
      x.c:1:10: fatal error: hdf5.h: No such file or directory
      error: command 'gcc' failed with exit code 1
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for x
ERROR: Failed to build installable wheels for some pyproject.toml based projects (x)
"""
HASHES = """\
ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:
    requests from https://h.example/requests-2.whl (from -r /tmp/requirements.txt (line 1))
    idna>=2 from https://h.example/idna-3.whl
[notice] A new release of pip is available
"""
WRONG_HASH = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, update.
    tiny==1.0 from file:///w/tiny-1.0-py3-none-any.whl (from -r /tmp/requirements.txt (line 1)):
        Expected sha256 00
             Got        11
"""


@pytest.mark.parametrize(
    ("stderr", "told", "untold"),
    [
        (GIT, ["git@h.example: Permission denied (publickey).", "Could not read from remote repository."], "note:"),
        (BUILD, ["hdf5.h: No such file or directory", "Failed to build installable wheels"], "end of output"),
        (HASHES, ["These do not: requests from https://h.example/requests-2.whl", "idna>=2 from"], "notice"),
        ("ERROR: a\nERROR: No matching distribution found for x\n", ["a; No matching distribution found for x"], "ERROR"),
        ("Traceback\n", ["exit code 1"], "Traceback"),
    ],
)
def test_reasons_of_pip_and_of_what_it_runs_are_told_whole(stderr: str, told: list[str], untold: str) -> None:
    cause = conda_pip.explain(Completed(1, "", stderr), []).cause
    assert all(text in cause for text in told), cause
    assert untold not in cause


def test_a_wrong_hash_speaks_of_a_lock_where_there_is_one() -> None:
    done = Completed(1, "", WRONG_HASH)
    mine, locked = conda_pip.explain(done, []), conda_pip.explain(done, [], locked=True)
    assert "tiny==1.0" in mine.cause and "lock" not in mine.cause + mine.way_out
    assert "renew the lock" in locked.way_out


def test_a_megabyte_of_a_program_is_cut() -> None:
    text = "  Running command x\n" + "  a line\n" * 10000 + "  " + "x" * 10**6 + "\n"
    assert len("".join(conda_pip.reasons(text))) < 10000


PASSED_OVER = """\
WARNING: Ignoring version 1.0 of omega since it has invalid metadata:
Requested omega from https://h.example/omega-1.0-py3-none-any.whl has invalid metadata: Expected matching RIGHT_PARENTHESIS
    PyYAML (>=5.1<6)
           ~~~~~~^
Please use pip<24.1 if you need to use this version.
WARNING: Retrying
ERROR: Could not find a version that satisfies the requirement omega (from versions: 1.0)
ERROR: No matching distribution found for omega
"""


def test_why_pip_passed_a_version_over_is_told() -> None:
    passed_over, *errors = conda_pip.reasons(PASSED_OVER)
    assert passed_over.startswith("Ignoring version 1.0 of omega since it has invalid metadata: Requested omega")
    assert passed_over.endswith("Please use pip<24.1 if you need to use this version.")
    assert "PyYAML (>=5.1<6)" in passed_over
    assert errors == [
        "Could not find a version that satisfies the requirement omega (from versions: 1.0)",
        "No matching distribution found for omega",
    ]


def test_what_people_added_is_limited_as_the_pip_section_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Specification] = []
    monkeypatch.setattr(conda_pip, "install", lambda _workshop, given, _prefix: asked.append(given))
    given = specification("x==1", "--no-index", "-c limits.txt", limits_txt="z<2\n")
    conda_pip.keep(t.cast("Workshop", None), given, Additions(pip=("y==1",)), "/prefix")
    main = Path(conda_pip.requirement_files(asked[0], str(tmp_path)))
    limits = tmp_path / "requirements-1.txt"
    assert main.read_text() == f"--no-index\n-c {limits}\ny==1\n"
    assert limits.read_text() == "z<2\n"
