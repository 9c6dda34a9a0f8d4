# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the RHEL family the same is decided, and asked of dnf."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.tests.unit.plugins.nvidia_host import host, kernel, plan

KERNEL = "5.14.0-570.12.1.el9_6.x86_64"
NEXT = "5.14.0-570.32.1.el9_6.x86_64"
DKMS = {
    "dkms": "0:3.2.1-1.el9",
    "python3-dnf-plugin-versionlock": "0:4.3.0-20.el9",
    "kernel-devel-matched": "0:5.14.0-570.12.1.el9_6",
}
DRIVER = ("nvidia-driver-cuda", "nvidia-persistenced")


def versions(*numbers: str) -> list[str]:
    return [f"3:{number}-1.el9" for number in numbers]


# All streams, as they are asked for; only the open modules are of the newest branch.
OFFERED = {
    "kmod-nvidia-open-dkms": versions("620.30.01", "595.71.05", "580.95.05", "580.82.07"),
    "kmod-nvidia-latest-dkms": versions("595.71.05", "580.95.05", "580.82.07"),
    **{name: versions("620.30.01", "595.71.05", "580.95.05", "580.82.07") for name in DRIVER},
    **{
        name: ["0:1-1.el9"]
        for name in ("dkms", "python3-dnf-plugin-versionlock", f"kernel-devel-{KERNEL}", f"kernel-devel-matched-{KERNEL}")
    },
}


def rhel(*devices: str, name: str = "almalinux", **changes: t.Any) -> dict[str, t.Any]:
    info = host(*devices, kernels=[kernel(KERNEL, running=True)], apt_sources=[])
    system = {"id": name, "version": "9.6", "codename": "", "manager": "dnf", "kernel": KERNEL, "initramfs": "dracut"}
    return info | {"system": info["system"] | system} | changes


def installed(kind: str, version: str) -> dict[str, str]:
    return DKMS | dict.fromkeys((f"kmod-nvidia-{kind}-dkms", *DRIVER, "nvidia-kmod-common"), f"3:{version}-1.el9")


@pytest.mark.parametrize("name", ["rhel", "almalinux", "rocky"])
@pytest.mark.parametrize(
    ("devices", "version", "stream", "held"),
    [
        (["1db4"], "", "580-dkms", "580.95.05"),
        (["2684", "15f8"], "", "580-dkms", "580.95.05"),
        (["20b2"], "", "open-dkms", "620.30.01"),
        (["20b2"], "580", "580-open", "580.95.05"),
        (["2901"], "580.82.07", "580-open", "580.82.07"),
    ],
)
def test_the_stream_fits_the_gpus_and_the_version(name: str, devices: list[str], version: str, stream: str, held: str) -> None:
    decided = plan(rhel(*devices, name=name, available=OFFERED), source="nvidia", version=version)
    assert (decided["problems"], decided["unavailable"], decided["manager"]) == ([], [], "dnf")
    assert (decided["stream"], decided["switch"], decided["held"]) == (stream, True, held)
    assert f"nvidia-driver-cuda-{held}-*" in decided["lock"]
    assert decided["missing"][-2:] == [f"{part}-3:{held}-1.el9" for part in DRIVER]


def test_gpus_that_no_driver_of_the_stream_drives_are_refused_as_elsewhere() -> None:
    assert "is not driven by the open kernel modules" in plan(rhel("1db4"), source="nvidia", module_flavour="open")["problems"][0]
    assert "is driven by branch 580 at most, found 595" in plan(rhel("1db4"), source="nvidia", version="595")["problems"][0]
    assert "no driver serves all GPUs" in plan(rhel("1db4", "2901"), source="nvidia")["problems"][0]


def test_of_the_newest_proprietary_modules_all_parts_have_their_version() -> None:
    decided = plan(rhel("20b2", available=OFFERED), source="nvidia", module_flavour="proprietary")
    assert (decided["stream"], decided["held"]) == ("latest-dkms", "595.71.05")
    assert decided["missing"][-3:] == [f"{name}-3:595.71.05-1.el9" for name in ("kmod-nvidia-latest-dkms", *DRIVER)]


def test_a_fresh_host_gets_dkms_headers_and_what_holds_the_driver() -> None:
    decided = plan(rhel("1db4", available=OFFERED), source="nvidia")
    assert decided["missing"][:4] == [
        f"kernel-devel-{KERNEL}",
        # Not the newest, which would bring a kernel that nobody asked for.
        f"kernel-devel-matched-{KERNEL}",
        "dkms",
        "python3-dnf-plugin-versionlock",
    ]
    assert (decided["headers"], decided["initramfs"]) == (f"kernel-devel-{KERNEL}", "dracut --regenerate-all --force")
    without = {name: found for name, found in OFFERED.items() if name not in ("dkms", f"kernel-devel-{KERNEL}")}
    assert plan(rhel("1db4", available=without), source="nvidia")["unavailable"] == [f"kernel-devel-{KERNEL}", "dkms"]
    assert "kernel-devel-matched" in plan(rhel("1db4"), source="nvidia", kernel_headers="distribution")["missing"]


def test_a_converged_host_keeps_version_and_stream_whatever_is_offered() -> None:
    kernels = [kernel(KERNEL, running=True, headers=True)]
    info = rhel("20b2", kernels=kernels, packages=installed("open", "595.71.05"), module_stream="open-dkms", available=OFFERED)
    decided = plan(info, source="nvidia")
    assert (decided["missing"], decided["switch"], decided["held"]) == ([], False, "595.71.05")
    info["module_stream"] = ""
    assert plan(info, source="nvidia")["switch"]


def test_headers_of_the_next_kernel_that_somebody_removed_are_installed_again() -> None:
    kernels = [kernel(KERNEL, running=True, headers=True), kernel(NEXT, next=True)]
    assert plan(rhel("1db4", kernels=kernels, packages=installed("latest", "580.95.05")), source="nvidia")["missing"] == [
        f"kernel-devel-{NEXT}"
    ]


def test_another_kind_of_modules_is_an_upgrade_with_a_way_back() -> None:
    packages = installed("latest", "580.95.05")
    info = rhel("20b2", packages=packages, module_stream="580-dkms", available=OFFERED)
    decided = plan(info, source="nvidia", version="595")
    assert (decided["upgrade"], decided["current"], decided["stream"], decided["switch"]) == (True, "580.95.05", "595-open", True)
    parts = ("kmod-nvidia-latest-dkms", *DRIVER, "nvidia-kmod-common")
    assert decided["way_back"] == [f"{name}-3:580.95.05-1.el9" for name in parts]


def test_a_driver_that_is_put_off_moves_neither_lock_nor_stream() -> None:
    user = {"pid": 7, "user": "eve", "program": "python3"}
    info = rhel("20b2", packages=installed("latest", "580.95.05"), module_stream="580-dkms", available=OFFERED, processes=[user])
    decided = plan(info, source="nvidia", version="595")
    assert "is put off" in decided["deferred"]
    assert (decided["held"], decided["stream"], decided["switch"]) == ("580.95.05", "580-dkms", False)


def test_nothing_is_pinned_by_a_package_of_apt() -> None:
    decided = plan(rhel("20b2", available=OFFERED), source="nvidia", version="595")
    assert not [name for name in decided["missing"] if "pinning" in name]


def test_what_is_not_installed_there_is_refused_by_name() -> None:
    problems = plan(rhel("1db4"), source="nvidia", container_toolkit=True, dcgm_exporter=True)["problems"]
    assert [problem.split(":")[0] for problem in problems] == ["nvidia_container_toolkit", "nvidia_dcgm_exporter"]


def test_the_distribution_has_no_driver() -> None:
    assert "nvidia_source: distribution on rocky 9.6" in plan(rhel("1db4", name="rocky"))["problems"][0]


def test_steps_for_secure_boot_are_those_of_the_family() -> None:
    locked = {"state": "enabled", "enforced": True, "key": None, "key_enrolled": False}
    assert "dnf install mokutil openssl" in plan(rhel("1db4", secure_boot=locked), source="nvidia")["problems"][0]
    enforced = plan(rhel("1db4", secure_boot=locked | {"state": "disabled"}), source="nvidia")["problems"][0]
    assert "grubby --update-kernel=ALL" in enforced
