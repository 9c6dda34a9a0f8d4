# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which conda a shell takes that has read the role's profile: the lab's, unless somebody has set up one of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jinja2
import pytest

ROLE = Path(__file__).parents[4] / "roles" / "miniconda"
SYSTEM = "/usr/bin:/bin"


def program(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho {says} "$@"\n')
    path.chmod(0o755)


class Host:
    def __init__(self, folder: Path) -> None:
        self.lab, self.own = folder / "lab", folder / "own"
        program(self.lab / "bin/conda", "lab program")
        program(self.lab / "envs/tools/bin/conda", "conda of an environment")
        program(self.own / "bin/conda", "own program")
        self.functions(self.lab, "lab")
        self.functions(self.own, "own")
        self.profile = folder / "conda.sh"
        self.write(self.lab)

    def functions(self, prefix: Path, name: str) -> None:
        path = prefix / "etc/profile.d/conda.sh"
        path.parent.mkdir(parents=True)
        path.write_text(f'export CONDA_EXE={prefix}/bin/conda\nconda() {{ echo {name} "$@"; }}\n')

    def write(self, prefix: Path) -> None:
        template = jinja2.Template((ROLE / "templates/profile.sh.j2").read_text(), keep_trailing_newline=True)
        self.profile.write_text(template.render(ansible_managed="managed", miniconda_prefix=prefix))

    def says(self, shell: str, script: str, **environment: str) -> list[str]:
        done = subprocess.run(
            [shell, "-euc", f". {self.profile}\n{script}"],
            env={"PATH": SYSTEM, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout.splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture(params=["sh", "bash"])
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_lab_s_is_there_from_the_first_use(host: Host, shell: str) -> None:
    assert host.says(shell, "conda activate 'a b'; conda info") == ["lab activate a b", "lab info"]


def test_nothing_is_read_before(host: Host, shell: str) -> None:
    assert host.says(shell, 'echo "${CONDA_EXE-none}"') == ["none"]


def test_a_shell_in_a_shell(host: Host, shell: str) -> None:
    """It inherits CONDA_EXE, and no function."""
    script = f"conda info; PATH={host.lab}/condabin:{host.lab}/bin:$PATH {shell} -c '. {host.profile}; conda activate x'"
    assert host.says(shell, script) == ["lab info", "lab activate x"]


def test_an_environment_of_the_lab_that_has_a_conda_itself(host: Host, shell: str) -> None:
    assert host.says(shell, "conda activate x", PATH=f"{host.lab}/envs/tools/bin:{SYSTEM}") == ["lab activate x"]


def test_a_prefix_that_is_a_link(host: Host, shell: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(host.lab)
    host.write(tmp_path / "link")
    environment = {"CONDA_EXE": f"{host.lab}/bin/conda", "PATH": f"{host.lab}/bin:{SYSTEM}"}
    assert host.says(shell, "conda activate x", **environment) == ["lab activate x"]


@pytest.mark.parametrize(
    "theirs",
    [
        "PATH={own}/bin:$PATH",  # as in their ~/.profile
        ". {own}/etc/profile.d/conda.sh",  # as the block of `conda init`, in their ~/.bashrc
        ". {own}/etc/profile.d/conda.sh; . {profile}",
    ],
    ids=["PATH", "conda init", "read once more"],
)
def test_their_own(host: Host, shell: str, theirs: str) -> None:
    script = theirs.format(own=host.own, profile=host.profile)
    (said,) = host.says(shell, f"{script}; conda activate x; conda activate x")[:1]
    assert said in ("own activate x", "own program activate x")


@pytest.mark.parametrize("later", [True, False], ids=["later", "before"])
def test_where_CONDA_EXE_names_theirs_it_stays(host: Host, shell: str, later: bool) -> None:
    theirs = f"{host.own}/bin/conda"
    environment = {} if later else {"CONDA_EXE": theirs}
    script = f"{f'export CONDA_EXE={theirs}' if later else ':'}; conda x || true; echo $CONDA_EXE"
    said = host.says(shell, script, PATH=f"{host.lab}/bin:{SYSTEM}", **environment)
    assert said == ["lab program x", theirs]


def test_where_the_lab_s_is_gone_the_shell_goes_on(host: Host, shell: str) -> None:
    (host.lab / "etc/profile.d/conda.sh").unlink()
    said = host.says(shell, "conda info || echo went on")
    assert "not found" in said[0] and said[1:] == ["went on"]
