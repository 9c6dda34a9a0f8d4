# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments for a GPU, with a real conda on machines that have none: what their files would say is put in the place of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import frame
from ansible_collections.openlab.research_server.tests.integration.real_conda import ROOT, RUN, Conda, wheel
from ansible_collections.openlab.research_server.tests.unit.plugins import nvidia_tree

READING = frame.read_gpus.__module__


def machine(driver: str, *generations: str, loaded: bool = False) -> str:
    """A program that runs a module as on a machine with these GPUs and this driver."""
    return f"""
from {READING} import Gpus
from {frame.__name__.rpartition(".")[0]} import frame
from {READING.rpartition(".")[0]}.cuda import Offer, offered
found = Gpus(Offer({driver!r}, offered({driver!r}), {generations!r}), {loaded})
frame.read_gpus = lambda: found
{RUN}"""


DEBIAN_13 = machine("550.163.01", "ampere")
CURRENT = machine("580.95.05", "ampere")


def make(conda: Conda, name: str, *dependencies: t.Any, **arguments: t.Any) -> dict[str, t.Any]:
    return conda.run(name=name, definition={"channels": ["lab"], "dependencies": list(dependencies)}, **arguments)


def chosen(conda: Conda, name: str) -> str:
    return conda.packages(name)["net"]


def test_a_driver_that_waits_for_a_reboot_counts_already(conda: Conda) -> None:
    made = make(conda, "waits", "net", program=DEBIAN_13)
    assert chosen(conda, "waits") == "2.0=cuda126_0", made
    assert any("minor-version compatibility" in note for note in made["notes"])
    assert not make(conda, "waits", "net", program=DEBIAN_13)["changed"]


def test_a_host_without_a_gpu_gets_what_it_can_use(conda: Conda) -> None:
    assert "msg" not in make(conda, "cpu", "net")
    assert chosen(conda, "cpu") == "1.0=cpu_0"
    failed = make(conda, "cpu-only", "net=2")
    assert "__cuda" in failed["msg"]


def test_the_driver_of_the_fleet_is_stated_where_there_is_none(conda: Conda) -> None:
    assert "msg" not in make(conda, "stated", "net", cuda="13.0")
    assert chosen(conda, "stated") == "3.0=cuda130_0"
    assert "msg" not in make(conda, "stated-none", "net", cuda="none", program=CURRENT)
    assert chosen(conda, "stated-none") == "1.0=cpu_0"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("dependencies", "program", "words"),
    [
        # Nothing but its version tells that it is for CUDA 13: the solver knows no reason against it.
        (["cuda-version=13"], DEBIAN_13, ["'cuda-version=13' is for CUDA 13.0", "driver 550.163.01, which offers CUDA 12.4"]),
        (["cuda-version>12.6"], DEBIAN_13, ["cuda-version is for CUDA 13.0", "580.65.06 or newer", "nvidia_version"]),
        (["cuda-version>12.6"], machine("580.95.05", "pascal"), ["does not know the GPUs (pascal) any more"]),
        (["single", {"pip": ["torch==2.9.0+cu130"]}], DEBIAN_13, ["torch 2.9.0+cu130 is for CUDA 13.0", "for pip the wheels"]),
    ],
)
def test_what_the_driver_cannot_run_is_refused_before_anything_is_there(
    conda: Conda, dependencies: list[t.Any], program: str, words: list[str], check: bool
) -> None:
    failed = make(conda, "too-new", *dependencies, program=program, check=check)
    assert failed.get("failed"), failed
    assert failed["msg"].startswith("conda environment 'too-new': ")
    assert all(word in failed["msg"] for word in words), failed["msg"]
    assert not conda.environment("too-new").exists() and not conda.generations("too-new")


@pytest.fixture
def frameworks(conda: Conda) -> list[str]:
    """Options for pip that find `framework`, which needs wheels for CUDA 13 and does not say so itself."""
    wheel(conda.wheels, "nvidia_cuda_runtime", "13.0.48")
    wheel(conda.wheels, "framework", "1.0", requires="nvidia-cuda-runtime")
    return ["--no-index", f"--find-links={conda.wheels}"]


def test_people_keep_what_they_have_when_a_wheel_turns_out_to_be_too_new(conda: Conda, frameworks: list[str]) -> None:
    definition: dict[str, t.Any] = {"channels": ["conda-forge"], "dependencies": ["python", {"pip": [*frameworks, "tiny"]}]}
    first = conda.run(name="wheels", definition=definition, program=DEBIAN_13)
    assert first.get("changed"), first
    definition["dependencies"][1]["pip"].append("framework")
    failed = conda.run(name="wheels", definition=definition, program=DEBIAN_13)
    assert "nvidia-cuda-runtime 13.0.48 is for CUDA 13.0" in failed["msg"]
    assert str(conda.environment("wheels").resolve()) == first["generation"]
    second = conda.run(name="wheels", definition=definition, program=CURRENT)
    assert second["changed"]
    # ... and nobody is sent to a generation that cannot run any more, as after a driver that was taken back.
    assert conda.run(name="wheels", state="rolled_back", program=DEBIAN_13)["changed"]
    again = {"name": "wheels", "state": "rolled_back", "generation": second["generation"]}
    for check in (True, False):
        assert "is for CUDA 13.0" in conda.run(**again, program=DEBIAN_13, check=check)["msg"]
    assert str(conda.environment("wheels").resolve()) == first["generation"]
    assert conda.run(**again, program=CURRENT)["changed"]


def test_an_archive_of_another_machine_is_compared_too(conda: Conda, tmp_path: Path) -> None:
    definition: dict[str, t.Any] = {"channels": ["conda-forge", "lab"], "dependencies": ["python", "cuda-version=13"]}
    made = conda.run(name="packed-gpu", definition=definition)
    assert made.get("changed"), made
    archive = tmp_path / "packed-gpu.tar.gz"
    packed = conda.run(module="conda_archive", name="packed-gpu", conda_root=str(conda.root), dest=str(archive))
    assert packed.get("changed"), packed
    arguments = {"name": "unpacked-gpu", "archive": str(archive), "remote_src": True}
    for check in (True, False):
        failed = conda.run(**arguments, program=DEBIAN_13, check=check)
        assert "is for CUDA 13.0, which needs NVIDIA driver 580.65.06" in failed["msg"], failed
    assert not conda.environment("unpacked-gpu").exists() and not conda.generations("unpacked-gpu")
    assert conda.run(**arguments, program=CURRENT)["changed"]


def test_one_lock_for_hosts_whose_drivers_differ(conda: Conda) -> None:
    definition = {"channels": ["lab"], "dependencies": ["net"]}
    made = conda.run(module="conda_lock", definition=definition, **conda.arguments(cuda="12.4"))
    assert [item["build"] for item in made["lock"]["conda"] if item["name"] == "net"] == ["cuda126_0"]
    for number, program in enumerate([DEBIAN_13, CURRENT]):
        name = f"locked{number}"
        result = conda.run(name=name, definition=definition, lock=made["lock"], program=program)
        assert result.get("changed"), result
        assert chosen(conda, name) == "2.0=cuda126_0"
    refused = conda.run(name="locked-cpu", definition=definition, lock=made["lock"])
    assert "net needs __cuda" in refused["msg"] and "what the NVIDIA driver" in refused["msg"]


@pytest.mark.parametrize(
    ("dependencies", "words"),
    [
        (["cuda-version>12.6"], "cuda-version is for CUDA 13.0, which needs NVIDIA driver 580.65.06 or newer; found CUDA 12.4"),
        (["single", {"pip": ["torch==2.9.0+cu130"]}], "torch 2.9.0+cu130 is for CUDA 13.0"),
        # Only pip knows, when it has chosen.
        (["python", {"pip": ["framework"]}], "nvidia-cuda-runtime 13.0.48 is for CUDA 13.0"),
    ],
)
def test_a_lock_that_no_host_of_the_fleet_could_follow_is_not_made(
    conda: Conda, frameworks: list[str], dependencies: list[t.Any], words: str
) -> None:
    for item in dependencies:
        if isinstance(item, dict):
            item["pip"] += frameworks
    definition = {"channels": ["conda-forge", "lab"], "dependencies": dependencies}
    failed = conda.run(module="conda_lock", definition=definition, **conda.arguments(cuda="12.4"))
    assert words in failed["msg"], failed


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ("12", "expected 'auto', 'none' or a version"),
        ("13.0", "expected at most 12.4, which driver 550.163.01 of this host offers"),
    ],
)
def test_what_is_stated_must_make_sense(conda: Conda, stated: str, words: str) -> None:
    assert words in make(conda, "senseless", "net", cuda=stated, program=DEBIAN_13)["msg"]


LOCK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.setup": {"gather_subset": ["!all", "!min", "platform"]}},
            {"ansible.builtin.import_role": {"name": "openlab.research_server.conda_envs", "tasks_from": "lock"}},
        ],
    }
]
FUNCTION = {"0000:17:00.0": ["0x10de", "0x20b2", "0x030200", "nvidia"]}


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("stated", "build"),
    [({}, "cuda126_0"), ({"conda_envs_cuda": "13.0"}, "cuda130_0"), ({"conda_envs_cuda": "none"}, "cpu_0")],
)
def test_the_oldest_driver_of_those_that_share_a_lock_decides(
    conda: Conda, tmp_path: Path, stated: dict[str, str], build: str
) -> None:
    hosts = {}
    for name, driver in {"cpu": "", "new": "580.95.05", "old": "550.163.01"}.items():
        root = tmp_path / name
        nvidia_tree.write(root, FUNCTION if driver else {}, loaded=driver)
        hosts[name] = {
            "nvidia_sysfs_root": str(root),
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
    arguments = {f"conda_envs_{key}": value for key, value in conda.arguments().items()}
    environments = [{"name": "fleet", "src": "fleet.yml"}]
    variables = {**arguments, "conda_envs_dir": str(tmp_path), "conda_envs_environments": environments, **stated}
    (tmp_path / "fleet.yml").write_text(json.dumps({"channels": ["lab"], "dependencies": ["net"]}))
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    (tmp_path / "play.json").write_text(json.dumps(LOCK))
    done = subprocess.run(
        ["ansible-playbook", "-i", tmp_path / "hosts.json", tmp_path / "play.json"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(conda.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lock = json.loads((tmp_path / "fleet.linux-64.lock.json").read_text())
    assert [item["build"] for item in lock["conda"] if item["name"] == "net"] == [build]
