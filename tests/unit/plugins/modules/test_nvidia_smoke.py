# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a stand-in for the driver's library, compiled here: not run on a GPU."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import nvidia_smoke
from ansible_collections.openlab.research_server.tests.unit.plugins import nvidia_tree

SOURCE = Path(__file__).parents[1] / "data/nvidia/stand_in_libcuda.c"
BUS = {f"0000:{number:02x}:00.0": ["0x10de", "0x20b2", "0x030200", "nvidia"] for number in (0x1A, 0x1B, 0x1C)}
Smoke = Callable[..., dict[str, t.Any]]

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-shared", "-fPIC", "-o", path, SOURCE], check=True
    )
    return str(path)


@pytest.fixture
def smoke(run_module: Callable[..., dict[str, t.Any]], library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Smoke:
    def run(count: int = 3, fault: str = "", bus: int = 3, **arguments: t.Any) -> dict[str, t.Any]:
        nvidia_tree.write(tmp_path / "sys", dict(list(BUS.items())[:bus]))
        for name, value in {"COUNT": str(count), "FAULT": fault, "LOG": str(tmp_path / "log")}.items():
            monkeypatch.setenv(f"FAKE_{name}", value)
        return run_module(nvidia_smoke, **{"library": library, "sysfs_root": str(tmp_path / "sys"), "timeout": 20, **arguments})

    return run


def test_a_kernel_runs_on_each_gpu(smoke: Smoke, tmp_path: Path) -> None:
    result = smoke()
    assert not result.get("failed") and not result["changed"], result
    assert [gpu["address"] for gpu in result["gpus"]] == list(BUS)
    assert [gpu["memory"] >> 30 for gpu in result["gpus"]] == [8, 16, 24]
    assert all(gpu["seconds"] >= 0 and not gpu["problem"] for gpu in result["gpus"])
    assert [line.rpartition(":")[0] for line in result["msg"].splitlines()] == [
        f"{address} Stand-in {number}, {8 * number + 8}.0 GiB" for number, address in enumerate(BUS)
    ]
    calls = (tmp_path / "log").read_text().splitlines()
    for number in range(3):
        mine = [call.split()[1] for call in calls if call.startswith(f"{number} ")]
        prepared, ran = ["cuModuleLoadData", "cuModuleGetFunction", "cuMemAlloc"], ["cuLaunchKernel", "cuCtxSynchronize"]
        assert mine[-8:] == ["cuCtxCreate", *prepared, *ran, "cuMemcpyDtoH", "cuCtxDestroy"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("1 cuLaunchKernel 719", "0000:1b:00.0 Stand-in 1, 16.0 GiB: cuLaunchKernel: CUDA_ERROR_LAUNCH_FAILED (719)"),
        ("1 cuCtxCreate 101", "0000:1b:00.0 Stand-in 1, 16.0 GiB: cuCtxCreate: error (101)"),
        ("1 cuLaunchKernel -3", "the kernel ran, and 16383 of 16383 results are wrong"),
        ("1 cuCtxSynchronize -2", "Stand-in 1, 16.0 GiB: the driver's library ended the process"),
    ],
)
def test_the_gpu_that_fails_is_named_and_the_others_have_their_turn(smoke: Smoke, fault: str, says: str) -> None:
    result = smoke(fault=fault)
    assert result["failed"]
    assert says in result["msg"]
    assert [bool(gpu["problem"]) for gpu in result["gpus"]] == [False, True, False]


def test_one_that_never_answers_holds_nobody(smoke: Smoke) -> None:
    result = smoke(fault="1 cuCtxSynchronize -1", timeout=2)
    assert result["failed"] and "Stand-in 1, 16.0 GiB: no answer within 2 s" in result["msg"]
    assert [gpu["seconds"] is None for gpu in result["gpus"]] == [False, True, False]


def test_a_gpu_that_somebody_has_alone_is_no_failure(smoke: Smoke) -> None:
    result = smoke(fault="1 cuCtxCreate 46")
    assert not result.get("failed")
    assert "Stand-in 1, 16.0 GiB: in use by others: cuCtxCreate: CUDA_ERROR_DEVICE_UNAVAILABLE (46)" in result["msg"]


def test_one_that_is_on_the_bus_only_is_named(smoke: Smoke) -> None:
    result = smoke(count=2)
    assert result["failed"] and "0000:1c:00.0: on the PCI bus, and the driver does not see it" in result["msg"]
    assert smoke(count=0)["failed"]


def test_one_that_is_divided_may_be_hidden(smoke: Smoke, tmp_path: Path) -> None:
    driver = tmp_path / "proc/driver/nvidia"
    for number, address in enumerate(BUS):
        (driver / f"gpus/{address}").mkdir(parents=True)
        (driver / f"gpus/{address}/information").write_text(f"Model: \t\t NVIDIA A100\nDevice Minor: \t {number}\n")
    (driver / "capabilities/gpu2/mig/gi1/ci0").mkdir(parents=True)
    (driver / "capabilities/gpu1/mig").mkdir(parents=True)
    result = smoke(count=2, proc_root=str(tmp_path / "proc"))
    assert not result.get("failed") and result["msg"].splitlines()[-1] == "0000:1c:00.0: divided (MIG), not tried"
    result = smoke(count=1, proc_root=str(tmp_path / "proc"))
    assert result["failed"] and "0000:1b:00.0: on the PCI bus, and the driver does not see it" in result["msg"]


@pytest.mark.parametrize(("fault", "says"), [("-1 cuInit 3", "cuInit: error (3)"), ("-1 cuInit -2", "ended the process")])
def test_a_driver_that_does_not_answer_is_told(smoke: Smoke, fault: str, says: str) -> None:
    result = smoke(fault=fault)
    assert result["failed"] and "the NVIDIA driver does not answer: " in result["msg"] and says in result["msg"]


def test_without_a_library_the_message_names_it(smoke: Smoke) -> None:
    result = smoke(library="libcuda-of-nobody.so.1")
    assert result["failed"] and "libcuda-of-nobody.so.1" in result["msg"]
