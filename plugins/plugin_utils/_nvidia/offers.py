# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages make a driver, for each distribution and source. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .managers import APT, DNF, Manager


class Offer(t.NamedTuple):
    """A driver that can be installed: the compute part, without X. C(%s) in a name is the branch."""

    branch: int | None  # None: whatever the repository has
    components: tuple[str, ...]  # of the distribution's archive
    packages: Mapping[str, tuple[str, ...]]  # flavour -> packages that carry the driver's version, the kernel part first
    companions: tuple[str, ...]  # packages with versions of their own
    headers: Mapping[str, str]  # architecture -> package that follows the distribution's newest kernel
    toolkit: str
    manager: Manager = APT


DEBIAN_HEADERS = {"x86_64": "linux-headers-amd64", "aarch64": "linux-headers-arm64"}
UBUNTU_HEADERS = {"x86_64": "linux-headers-generic", "aarch64": "linux-headers-generic"}
DEBIAN_USERLAND = ("libcuda1", "nvidia-smi", "libnvidia-cfg1", "libnvidia-nvvm4", "libnvcuvid1", "libnvidia-encode1")
DEBIAN_PACKAGES = {
    "proprietary": ("nvidia-kernel-dkms", *DEBIAN_USERLAND),
    "open": ("nvidia-open-kernel-dkms", *DEBIAN_USERLAND),
}
UBUNTU_PACKAGES = {
    "proprietary": ("nvidia-headless-%s-server", "nvidia-utils-%s-server"),
    "open": ("nvidia-headless-%s-server-open", "nvidia-utils-%s-server"),
}
# Names of NVIDIA's Driver Installation Guide, "compute-only".
NVIDIA_PACKAGES = {
    "proprietary": ("nvidia-kernel-dkms", "nvidia-driver-cuda"),
    "open": ("nvidia-kernel-open-dkms", "nvidia-driver-cuda"),
}
# The same guide, and NVIDIA's specs of these packages (NVIDIA/yum-packaging-nvidia-driver and -dkms-nvidia). DKMS is in EPEL.
RHEL_PACKAGES = {
    "proprietary": ("kmod-nvidia-latest-dkms", "nvidia-driver-cuda", "nvidia-persistenced"),
    "open": ("kmod-nvidia-open-dkms", "nvidia-driver-cuda", "nvidia-persistenced"),
}
RHEL_COMPANIONS = ("dkms", "python3-dnf-plugin-versionlock")
RHEL_HEADERS = {"x86_64": "kernel-devel-matched", "aarch64": "kernel-devel-matched"}
DEBIAN_COMPONENTS = ("contrib", "non-free", "non-free-firmware")
UBUNTU_COMPONENTS = ("restricted", "multiverse")
PERSISTENCED = ("nvidia-persistenced",)
TOOLKIT = "nvidia-cuda-toolkit"
CONTAINER_TOOLKIT = "nvidia-container-toolkit"
# Source, read in November 2026: NVIDIA, "Install DCGM Exporter", and NVIDIA/dcgm-exporter, packaging/ and pkg/cmd/app.go.
DCGM_EXPORTER = "datacenter-gpu-manager-exporter"
# The first that keeps the list of GPUs for containers up to date (its CHANGELOG.md: nvidia-cdi-refresh).
CONTAINER_TOOLKIT_FIRST = (1, 18)


def debian(number: int) -> Offer:
    return Offer(number, DEBIAN_COMPONENTS, DEBIAN_PACKAGES, PERSISTENCED, DEBIAN_HEADERS, TOOLKIT)


UBUNTU = Offer(580, UBUNTU_COMPONENTS, UBUNTU_PACKAGES, (), UBUNTU_HEADERS, TOOLKIT)
NVIDIA = Offer(None, (), NVIDIA_PACKAGES, PERSISTENCED, DEBIAN_HEADERS, "cuda-toolkit")
RHEL = Offer(None, (), RHEL_PACKAGES, RHEL_COMPANIONS, RHEL_HEADERS, "cuda-toolkit", DNF)

# (source, distribution, major version) -> offer.
OFFERS: dict[tuple[str, str, str], Offer] = {
    ("distribution", "debian", "12"): debian(535),
    ("distribution", "debian", "13"): debian(550),
    ("distribution", "ubuntu", "22"): UBUNTU,
    ("distribution", "ubuntu", "24"): UBUNTU,
    ("nvidia", "debian", "12"): NVIDIA,
    ("nvidia", "debian", "13"): NVIDIA,
    ("nvidia", "rhel", "9"): RHEL,
    ("nvidia", "almalinux", "9"): RHEL,
    ("nvidia", "rocky", "9"): RHEL,
}
