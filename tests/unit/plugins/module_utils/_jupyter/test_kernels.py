# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.filter.conda_kernels import conda_kernels
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernels import (
    is_ours,
    kernel_name,
    other_kernel,
    python_kernel,
    will_have,
)
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernelspecs import Kernelspec


@pytest.mark.parametrize(
    ("install", "remove", "now", "expected"),
    [
        ([], [], True, True),
        ([], [], False, False),
        (["ipykernel 7.4.0 0 c"], [], False, True),
        (["ipykernel 7.4.0 0 c"], ["ipykernel 6.31.0 0 c"], True, True),
        ([], ["ipykernel 6.31.0 0 c"], True, False),
        (["conda-forge::ipykernel>=6"], [], False, True),
        (["pip: ipykernel==6"], [], False, True),
        (["ipykernel-extras 1 0 c"], [], False, False),
    ],
)
def test_a_plan_tells_whether_there_will_be_a_kernel(install: list[str], remove: list[str], now: bool, expected: bool) -> None:
    assert will_have("ipykernel", {"install": install, "remove": remove}, now) is expected


NLP = {"name": "nlp", "prefix": "/opt/envs/nlp", "display_name": None}
GENERATION = "/opt/envs/.generations/nlp-0123.1"


def test_the_files_of_a_python_kernel() -> None:
    made = python_kernel("/k/nlp", NLP, "/opt/mini", "text of launch.py")
    kernel = json.loads(made["kernel.json"])
    # What lies in the folder of a notebook is not looked at, as '-m' would.
    command = ["/bin/bash", "/k/nlp/start", "/opt/envs/nlp/bin/python", "/k/nlp/launch.py", "-f", "{connection_file}"]
    assert kernel["argv"] == command
    assert (kernel["display_name"], kernel["language"]) == ("nlp", "python")
    assert made["launch.py"] == "text of launch.py"
    assert is_ours(made["kernel.json"])


def of_package(*argv: str, **rest: t.Any) -> dict[str, t.Any]:
    spec = Kernelspec("ir", argv, "R", "R", rest)
    made = other_kernel("/k/nlp-ir", {**NLP, "display_name": "NLP"}, "/opt/mini", spec, GENERATION)
    assert set(made) == {"kernel.json", "start"} and is_ours(made["kernel.json"])
    kernel: dict[str, t.Any] = json.loads(made["kernel.json"])
    return kernel


def test_a_kernel_of_a_package_is_named_after_both_and_stays_the_same_over_generations() -> None:
    kernel = of_package(
        f"{GENERATION}/lib/R/bin/R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}",
        env={"R_LIBS": f"{GENERATION}/lib/R/library", "N": "1"}, interrupt_mode="message", metadata={"debugger": False},
    )  # fmt: skip
    assert kernel["argv"][:3] == ["/bin/bash", "/k/nlp-ir/start", "/opt/envs/nlp/lib/R/bin/R"]
    assert kernel["argv"][3:] == ["--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"]
    assert kernel["env"] == {"R_LIBS": "/opt/envs/nlp/lib/R/library", "N": "1"}
    assert (kernel["display_name"], kernel["language"], kernel["interrupt_mode"]) == ("NLP (R)", "R", "message")
    assert kernel["metadata"]["debugger"] is False


@pytest.mark.parametrize("python", ["python", f"{GENERATION}/bin/python", f"{GENERATION}/bin/python3.11"])
def test_a_kernel_in_python_does_not_look_in_the_folder_of_the_notebook(python: str, tmp_path: Path) -> None:
    argv = of_package(python, "-m", "json.tool", "-f", "{connection_file}")["argv"][2:]
    assert argv[0] == python.replace(GENERATION, "/opt/envs/nlp") and argv[3:] == ["json.tool", "-f", "{connection_file}"]
    (tmp_path / "json").mkdir()
    (tmp_path / "json/__init__.py").write_text("raise SystemExit('planted')")
    done = subprocess.run(
        ["python3", *argv[1:4], "--compact"], cwd=tmp_path, input='{"a": 1}', capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ('{"a":1}', "")


ACTIVATION = """\
export CONDA_PREFIX='{prefix}'
export FROM_FILE=yes
. '{prefix}/etc/conda/activate.d/x.sh'
"""


@pytest.fixture
def started(tmp_path: Path) -> t.Callable[..., subprocess.CompletedProcess[str]]:
    """Run the start script of an environment with a quote in its name, beside a conda that answers as the real one does."""
    generation, environment, root = tmp_path / "it's.1", tmp_path / "it's", tmp_path / "mini"
    scripts = generation / "etc/conda/activate.d"
    scripts.mkdir(parents=True)
    environment.symlink_to(generation)
    (root / "bin").mkdir(parents=True)
    conda = root / "bin/conda"

    def run(script: str = "", answer: str = ACTIVATION) -> subprocess.CompletedProcess[str]:
        (scripts / "x.sh").write_text(script)
        text = answer.format(prefix=str(generation).replace("'", "'\"'\"'"))
        conda.write_text(f'#!/bin/bash\n[ ! -e "$HOME" ] || exit 3\ncat <<"END"\n{text}END\n')
        conda.chmod(0o755)
        start = tmp_path / "start"
        start.write_text(python_kernel("/k", {"name": "x", "prefix": str(environment)}, str(root), "")["start"])
        code = 'printf "%s\\n" "$1" "$2" "$FROM_FILE" "$FROM_SCRIPT"'
        command = ["bash", str(start), "bash", "-c", code, "x", f"{environment}/bin/python", "{connection_file}"]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "HOME": "/"})

    return run


def test_a_kernel_starts_activated_in_the_generation_of_the_moment(started: t.Callable[..., t.Any], tmp_path: Path) -> None:
    expected = [f"{tmp_path}/it's.1/bin/python", "{connection_file}", "yes", "here"]
    assert started("export FROM_SCRIPT=here").stdout.splitlines() == expected
    # As 'conda activate' in a shell: what is wrong with one line keeps nothing back.
    sloppy = started("export UNKNOWN=$NOT_THERE/x\nfalse\nno-such-command\nexport FROM_SCRIPT=here")
    assert (sloppy.returncode, sloppy.stdout.splitlines()) == (0, expected)


def test_a_kernel_that_cannot_be_activated_does_not_start(started: t.Callable[..., t.Any]) -> None:
    for answer in ("export CONDA_PREFIX=/other\n", ""):
        failed = started(answer=answer)
        assert failed.returncode == 1 and failed.stdout == "" and "the kernel is not started" in failed.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"metadata": null}', '{"metadata": {"other": 1}}'])
def test_a_kernel_of_somebody_else(text: str) -> None:
    assert not is_ours(text)


def test_kernel_names_are_what_jupyter_takes() -> None:
    assert kernel_name("C++_Lab") == "c--_lab"
    assert kernel_name("Stats", "ir") == "stats-ir"


def test_environments_become_kernels() -> None:
    plan = {"action": "create", "reasons": [], "install": ["x"], "remove": []}
    environments: list[Mapping[str, t.Any]] = [
        {"name": "a", "display_name": "A"},
        {"name": "b", "kernel": False},
        {"name": "c", "state": "absent"},
    ]
    made: list[Mapping[str, t.Any]] = [
        {"name": item["name"], "prefix": f"/{item['name']}", "plan": plan} for item in environments
    ]
    kept = {"install": ["x"], "remove": []}
    assert conda_kernels(environments, made) == [{"name": "a", "display_name": "A", "prefix": "/a", "plan": kept}]
    assert conda_kernels(environments, made, kernels=False) == []


def test_a_kernel_of_an_environment_that_failed_stays_with_what_there_is():
    environments = [{"name": "bad"}, {"name": "good"}]
    failed = {"name": "bad", "failed": True}
    nothing = {"install": [], "remove": []}
    for made in ([failed], [{"failed": True}], []):
        assert conda_kernels(environments, made, True, "/opt/c/") == [
            {"name": name, "display_name": name, "prefix": f"/opt/c/envs/{name}", "plan": nothing} for name in ("bad", "good")
        ]
