# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import state

PROPRIETARY = """\
NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OPEN = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs-builder@U16-T02-35-3)  Tue Mar  5
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""


@pytest.mark.parametrize(
    ("proc", "module", "expected"),
    [
        (PROPRIETARY, "535.183.01\n", {"version": "535.183.01", "flavour": "proprietary"}),
        (OPEN, "550.54.15\n", {"version": "550.54.15", "flavour": "open"}),
        (OPEN, "", {"version": "550.54.15", "flavour": "open"}),
        ("", "", None),
    ],
)
def test_loaded_driver(proc: str, module: str, expected: dict[str, str] | None) -> None:
    assert state.loaded_driver(proc, module) == expected


def test_installed_packages_are_those_that_are_installed() -> None:
    status = """\
Package: nvidia-smi
Status: install ok installed
Version: 535.261.03-1
Description: tool
 Package: nvidia-liar

Package: libcuda1
Status: hold ok installed
Version: 535.261.03-1

Package: nvidia-settings
Status: deinstall ok config-files
Version: 535.1-1

Package: curl
Status: install ok installed
Version: 8.0

Package: linux-headers-amd64
Status: install ok unpacked
Version: 6.1.176-1
"""
    assert state.installed_packages(status) == {"libcuda1": "535.261.03-1", "nvidia-smi": "535.261.03-1"}


def test_available_versions_are_sorted_as_numbers_over_all_lists() -> None:
    first = """\
Package: nvidia-kernel-dkms
Source: nvidia-graphics-drivers
Version: 535.99.1-1
Depends: dkms

Package: curl
Version: 1

Package: nvidia-tesla-470-driver
Version: 470.1
"""
    second = "Package: nvidia-kernel-dkms\nVersion: 535.261.03-1\n\nPackage: linux-headers-amd64\nVersion: 6.1.176-1\n"
    assert state.available_versions([first, second]) == {
        "linux-headers-amd64": ["6.1.176-1"],
        "nvidia-kernel-dkms": ["535.261.03-1", "535.99.1-1"],
    }


@pytest.mark.parametrize(
    ("version", "expected"), [("535.261.03-1", 535), ("1:580.95.05", 580), ("580", 580), ("", None), ("latest", None)]
)
def test_branch(version: str, expected: int | None) -> None:
    assert state.branch(version) == expected


def kernel(release: str, *, running: bool = False, module: str | None = None, **more: t.Any) -> dict[str, t.Any]:
    return {"release": release, "running": running, "module": module, "next": False, "headers": True, "state": None, **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, {}, id="nothing installed"),
        pytest.param(
            {"loaded": {"version": "535.1.1"}, "userland": ["535.1.1"], "kernels": [kernel("a", running=True, module="535.1.1")]},
            {},
            id="all of one version",
        ),
        pytest.param(
            {"loaded": {"version": "535.1.1"}, "userland": ["550.1.1"], "kernels": [kernel("a", running=True, module="550.1.1")]},
            {"consistent": False, "reboot_required": True, "reloadable": "550.1.1"},
            id="upgraded under the loaded module",
        ),
        pytest.param(
            {
                "loaded": {"version": "535.1.1"},
                "userland": ["535.1.1", "550.1.1"],
                "kernels": [kernel("a", running=True, module="550.1.1")],
            },
            {"consistent": False, "reboot_required": True},
            id="upgraded in part under the loaded module",
        ),
        pytest.param(
            {"loaded": {"version": "535.1.1"}, "userland": ["550.1.1"], "kernels": [kernel("a", running=True, module="535.1.1")]},
            {"consistent": False},
            id="libraries upgraded alone under the loaded module",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True, module="550.1.1")], "nouveau": True},
            {"reboot_required": True},
            id="nouveau holds the GPU",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True, module="550.1.1")]},
            {"loadable": True},
            id="only has to be loaded",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True), kernel("b", module="550.1.1")]},
            {"reboot_required": True},
            id="built for another kernel than the running one",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("b", module="550.1.1")]},
            {"reboot_required": True},
            id="the running kernel has no folder of modules",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True)]},
            {"consistent": False},
            id="libraries without any module",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True, next=True, state="other")]},
            {},
            id="a module from elsewhere",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True, module="535.1.1")]},
            {"consistent": False, "loadable": True},
            id="module older than the libraries",
        ),
        pytest.param(
            {"userland": ["550.1.1"], "kernels": [kernel("a", running=True, module="550.1.1")], "refused": True},
            {"consistent": False},
            id="the kernel refuses the module",
        ),
        pytest.param({"kernels": [kernel("a", running=True)], "refused": True}, {}, id="there is no module to refuse"),
        pytest.param(
            {
                "loaded": {"version": "535.1.1"},
                "userland": ["535.1.1"],
                "kernels": [kernel("a", running=True, module="535.1.1")],
                "refused": True,
            },
            {},
            id="the kernel has taken it before",
        ),
        pytest.param(
            {"userland": ["535.1.1", "550.1.1"], "kernels": [kernel("a", running=True, module="550.1.1")]},
            {"consistent": False, "loadable": True},
            id="libraries of two versions",
        ),
    ],
)
def test_assess(given: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    found = state.assess(**{"loaded": None, "userland": [], "kernels": [], "nouveau": False, **given})
    verdict = {"consistent": True, "reboot_required": False, "loadable": False, "reloadable": "", **expected}
    assert {name: found[name] for name in verdict} == verdict
    assert found["next_boot"] == []
    assert bool(found["disagreements"]) is not found["consistent"]
    assert bool(found["reboot_reasons"]) is found["reboot_required"]


@pytest.mark.parametrize(
    ("following", "told"),
    [
        ({"module": "550.1.1", "state": "installed"}, None),
        ({"state": "other"}, None),
        ({}, "DKMS has not built the module for it"),
        ({"state": "built"}, "not installed it"),
        ({"state": "failed"}, "could not build the module"),
        ({"state": "failed", "headers": False}, "headers are not installed"),
    ],
)
def test_the_kernel_that_boots_next_needs_a_module(following: dict[str, t.Any], told: str | None) -> None:
    kernels = [kernel("a", running=True, module="550.1.1"), kernel("b", next=True, **following)]
    found = state.assess(loaded={"version": "550.1.1"}, userland=["550.1.1"], kernels=kernels, nouveau=False)["next_boot"]
    assert (
        (found == []) if told is None else (len(found) == 1 and told in found[0] and found[0].startswith("kernel b boots next"))
    )
    assert state.assess(loaded=None, userland=[], kernels=kernels, nouveau=False)["next_boot"] == []
