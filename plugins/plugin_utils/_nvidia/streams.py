# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of NVIDIA's module that a driver comes from, and the lines that hold its version. Pure. Private to this collection.

Sources, read in November 2026: NVIDIA's Driver Installation Guide (editions 590 to 620), "Kernel Modules" (the streams
C(open-dkms) and C(580-open)), "Advanced Options" (switching) and "Version locking"; NVIDIA/yum-packaging-dkms-nvidia, README
(C(latest-dkms), C(XXX-dkms)).

Streams without an ending, such as C(580), are left out. Their modules are compiled by NVIDIA, one package for each kernel, and
are the proprietary ones; NVIDIA leaves such packages to the distributions from now on (NVIDIA/yum-packaging-precompiled-kmod,
DISTROS.md, and issue 68: none after branch 590), and edition 620 of the guide has no proprietary modules any more.
"""

from __future__ import annotations

MODULE = "nvidia-driver"
# Of one version; what is not installed yet is held as well. A name is never a pattern: NVIDIA's containers have others.
LOCKED = (
    "cuda-drivers",
    "kmod-nvidia-latest-dkms",
    "kmod-nvidia-open-dkms",
    "libnvidia-cfg",
    "libnvidia-fbc",
    "libnvidia-gpucomp",
    "libnvidia-ml",
    "nvidia-driver",
    "nvidia-driver-cuda",
    "nvidia-driver-cuda-libs",
    "nvidia-driver-libs",
    "nvidia-kmod-common",
    "nvidia-libXNVCtrl",
    "nvidia-modprobe",
    "nvidia-open",
    "nvidia-persistenced",
    "nvidia-settings",
    "nvidia-xconfig",
    "xorg-x11-nvidia",
)


def stream(flavour: str, branch: int | None) -> str:
    """The stream of a branch (None: the newest), whose modules DKMS builds."""
    if flavour == "open":
        return f"{branch}-open" if branch else "open-dkms"
    return f"{branch}-dkms" if branch else "latest-dkms"


def lock(version: str) -> list[str]:
    """Lines of C(versionlock.list) that let no other version of the driver in."""
    return [f"{name}-{version}-*" for name in LOCKED] if version else []
