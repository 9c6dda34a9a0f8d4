# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without a GPU is left alone; for the GPUs of other machines, check mode tells what would be done."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from functools import cache
from pathlib import Path

import pytest
from testinfra.host import Host

OURS = (
    "/etc/apt/sources.list.d/research-server-nvidia.sources",
    "/etc/apt/preferences.d/research-server-nvidia",
    "/etc/modprobe.d/research-server-nvidia.conf",
    "/etc/modules-load.d/research-server-nvidia.conf",
)
CONVERGE = Path(__file__).parents[2] / "shared/converge.yml"


class Task(t.NamedTuple):
    name: str
    changed: bool
    failed: bool
    message: str


@cache
def apply(machine: str, *arguments: str) -> dict[str, list[Task]]:
    """Apply the role to all hosts as if they had the GPUs of a machine; tasks that ran, by host. Once per case."""
    variables = {"nvidia_sysfs_root": f"/srv/machines/{machine}"}
    done = subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(CONVERGE), "-e", json.dumps(variables), *arguments],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        stdout=subprocess.PIPE,
        check=False,
    )
    tasks: dict[str, list[Task]] = {}
    for play in json.loads(done.stdout[done.stdout.index(b"{") :])["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                if not result.get("skipped"):
                    found = Task(
                        task["task"]["name"],
                        result.get("changed", False),
                        result.get("failed", False),
                        str(result.get("msg", "")),
                    )
                    tasks.setdefault(host, []).append(found)
    return tasks


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.get_pytest_id()).removeprefix("ansible://")


def untouched(host: Host) -> bool:
    return not any(host.file(path).exists for path in OURS) and not host.package("nvidia-smi").is_installed


def failures(tasks: list[Task]) -> str:
    return "".join(task.message for task in tasks if task.failed)


def test_without_a_gpu_nothing_is_changed_and_the_role_says_so(host: Host, name: str) -> None:
    tasks = apply("no-gpu")[name]
    assert not any(task.changed or task.failed for task in tasks)
    assert "found no NVIDIA GPU on the PCI bus: nothing to do" in [task.message for task in tasks]
    assert untouched(host)


def test_a_required_gpu_that_is_missing_is_an_error(name: str) -> None:
    assert "nvidia_required is true, but found no NVIDIA GPU" in failures(apply("amd", "-e", "nvidia_required=true")[name])


def test_check_mode_on_a_fresh_host_tells_what_would_be_done(host: Host, name: str) -> None:
    tasks = apply("a100", "--check")[name]
    assert failures(tasks) == ""
    role = "openlab.research_server.nvidia : "
    assert [task.name.removeprefix(role) for task in tasks if task.changed] == [
        "Enable the package sources",
        "Hold the version of the driver",
        "Install what is missing (predicted)",
        "Keep nouveau off the GPUs",
        "Load the modules at boot",
    ]
    announced = next(task.message for task in tasks if task.name.endswith("(predicted)"))
    kernel = host.check_output("uname -r")
    for package in (f"linux-headers-{kernel}", "linux-headers-amd64", "nvidia-kernel-dkms", "libcuda1", "nvidia-persistenced"):
        assert package in announced
    assert untouched(host)


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ("b200", "needs driver branch 570 or newer"),
        ("v100-b200", "no driver serves all GPUs of this host together"),
    ],
)
def test_a_gpu_that_the_driver_cannot_drive_stops_the_role_before_any_change(
    host: Host, name: str, machine: str, problem: str
) -> None:
    tasks = apply(machine)[name]
    assert problem in failures(tasks)
    assert not any(task.changed for task in tasks)
    assert untouched(host)


def test_secure_boot_stops_the_role_before_any_change_and_tells_the_steps(host: Host, name: str) -> None:
    tasks = apply("h200-secure-boot")[name]
    assert "mokutil --import /var/lib/dkms/mok.pub" in failures(tasks)
    assert not any(task.changed for task in tasks)
    assert untouched(host)


def test_headers_that_the_archive_does_not_have_stop_the_role_before_anything_is_installed(host: Host, name: str) -> None:
    kernel = host.check_output("uname -r")
    if host.run(f"apt-cache show linux-headers-{kernel}").succeeded:
        pytest.skip("the machine that runs the tests runs a kernel of this distribution")
    try:
        # One host only: this case gets as far as enabling the package sources.
        problem = failures(apply("t4", "--limit", name)[name])
        assert f"Without its headers no module can be built for the running kernel {kernel}" in problem
        assert "nvidia_kernel_headers: distribution" in problem
        assert not host.package("nvidia-smi").is_installed
    finally:
        host.check_output(f"rm -f {' '.join(OURS)}; apt-get update")


def test_a_kernel_is_run_where_a_driver_is_in_use_and_a_driver_that_does_not_answer_is_named(host: Host, name: str) -> None:
    """There is no GPU here: of the driver only the version is there, and the library that is asked for is not."""
    smoke = ("--check", "-e", "nvidia_smoke=true")
    assert "the NVIDIA driver does not answer: libcuda.so.1" in failures(apply("h200-recorded", *smoke)[name])
    assert failures(apply("a100", *smoke)[name]) == ""
    assert untouched(host)
