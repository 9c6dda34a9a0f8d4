# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a host say about its NVIDIA driver, and whether the parts agree. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from .._host import dpkg

VERSION = re.compile(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b")
# Everything the driver is made of, and what it needs from the kernel.
PACKAGES = re.compile(
    r"^(nvidia|libnvidia|libcuda|libnvcuvid|cuda|datacenter-gpu-manager|firmware-nvidia|xserver-xorg-video-nvidia|linux-headers|linux-image|dkms)"
)

# In a package list; drivers for hardware of the past and the many parts of the toolkit are left out.
OFFERED = re.compile(
    r"\nPackage: ((?:nvidia(?!-legacy|-tesla)|libnvidia(?!-legacy|-tesla)|libnvcuvid1|libcuda1|cuda-toolkit"
    r"|datacenter-gpu-manager-exporter|linux-headers)[^\n]*)"
    r"(?:\n(?!Version: )[^\n]+)*\nVersion: ([^\n]+)"
)

REFUSED = "the kernel refuses the module: it takes signed ones only, and the key that would sign this one is not enrolled"


def loaded_driver(proc_version: str, module_version: str) -> dict[str, str] | None:
    """Version and flavour of the loaded module, from /proc/driver/nvidia/version and /sys/module/nvidia/version."""
    match = VERSION.search(proc_version)
    version = module_version.strip() or (match.group(1) if match else "")
    if not version:
        return None
    return {"version": version, "flavour": "open" if "Open Kernel Module" in proc_version else "proprietary"}


def installed_packages(status: str) -> dict[str, str]:
    """Name and version of the installed packages that concern the driver, from the text of /var/lib/dpkg/status."""
    return dict(sorted(dpkg.installed(status, lambda name: PACKAGES.match(name) is not None).items()))


def available_versions(lists: Iterable[str]) -> dict[str, list[str]]:
    """Versions of driver, CUDA and kernel headers that apt's package lists (``*_Packages`` files) offer, newest first."""
    found: dict[str, set[str]] = {}
    for text in lists:
        for name, version in OFFERED.findall("\n" + text):
            found.setdefault(name, set()).add(version)
    return {name: sorted(versions, key=version_key, reverse=True) for name, versions in sorted(found.items())}


def version_key(version: str) -> tuple[int, ...]:
    """Order versions of the driver: numbers of the upstream part, then of the packaging."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def branch(version: str) -> int | None:
    """The driver branch of a version: 535 of ``535.261.03-1``."""
    match = re.match(r"(?:\d+:)?(\d+)", version)
    return int(match.group(1)) if match else None


def assess(
    *,
    loaded: Mapping[str, str] | None,
    userland: Sequence[str],
    kernels: Sequence[Mapping[str, t.Any]],
    nouveau: bool,
    refused: bool = False,
) -> dict[str, t.Any]:
    """Say whether the parts of an installed driver agree, and whether a reboot is what is missing.

    C(kernels) are the installed kernels with C(release), C(running), C(next) (whether it boots next), C(headers), C(module)
    (version of the NVIDIA module, or None), and C(state), as RETURN of nvidia_info describes it. C(refused): whether the running
    kernel would not take the module.
    """
    running = next((kernel for kernel in kernels if kernel["running"]), None)
    built = [kernel for kernel in kernels if kernel["module"]]
    ready = running["module"] if running else None
    disagreements: list[str] = []
    in_use, reboot = [], []
    if len(userland) > 1:
        disagreements.append(f"libraries of several versions are installed: {', '.join(userland)}")
    for kernel in built:
        if userland and kernel["module"] not in userland:
            disagreements.append(
                f"the module for kernel {kernel['release']} is {kernel['module']}, the libraries are {', '.join(userland)}"
            )
    if loaded and userland and loaded["version"] not in userland:
        in_use.append(f"the loaded module is {loaded['version']}, the libraries are {', '.join(userland)}")
    if loaded and ready and loaded["version"] != ready:
        reboot.append(f"module {loaded['version']} is loaded, {ready} is installed")
    if userland and not loaded:
        if nouveau:
            reboot.append("nouveau is loaded and holds the GPU")
        elif not ready and built:
            reboot.append(
                f"the module is built for kernel {built[-1]['release']}, "
                f"the running kernel is {running['release'] if running else 'another one'}"
            )
    if userland and ready and not loaded and refused:
        in_use.append(REFUSED)
    if userland and not built and not any(kernel["state"] == "other" for kernel in kernels):
        disagreements.append("libraries are installed, but no module is built for any kernel")
    return {
        "consistent": not disagreements + in_use,
        "disagreements": disagreements + in_use,
        # Without what the next boot puts right.
        "on_disk": disagreements,
        "reboot_required": bool(reboot),
        "reboot_reasons": reboot,
        # The module can be loaded without a reboot: it is there, the kernel takes it, and nothing else holds the GPU.
        "loadable": bool(ready) and not loaded and not nouveau and not refused,
        # So can this version, in place of the loaded one, once nobody uses that.
        "reloadable": ready if loaded and ready in userland and loaded["version"] != ready and not disagreements else "",
        "next_boot": [without_driver(kernel) for kernel in kernels if userland and kernel["next"] and lacks_module(kernel)],
    }


def lacks_module(kernel: Mapping[str, t.Any]) -> bool:
    return not kernel["module"] and kernel["state"] != "other"


def without_driver(kernel: Mapping[str, t.Any]) -> str:
    """Why a kernel that boots next has no module."""
    if not kernel["headers"]:
        why = "its headers are not installed, so DKMS cannot build the module"
    elif kernel["state"] == "failed":
        why = "DKMS could not build the module, see /var/lib/dkms/nvidia*/*/build/make.log"
    elif kernel["state"] == "built":
        why = "DKMS has built the module and not installed it"
    else:
        why = "DKMS has not built the module for it"
    return f"kernel {kernel['release']} boots next, without the driver: {why}"
