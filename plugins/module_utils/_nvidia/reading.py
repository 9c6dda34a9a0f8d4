# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files of a host say about its GPUs and the NVIDIA driver. No program is started. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

from . import cuda, pci, state

LIBRARIES = ("libcuda.so", "libnvidia-ml.so")
LIBRARY_FOLDERS = ("usr/lib64", "usr/lib/*", "usr/lib/*/nvidia/current")


class Gpus(t.NamedTuple):
    """What the GPUs of a host offer, and whether their driver is loaded: before, programs cannot find it."""

    offer: cuda.Offer
    loaded: bool


def read_gpus(root: Path = Path("/"), sysfs: Path = Path("/sys"), procfs: Path = Path("/proc")) -> Gpus:
    """The libraries decide: a driver that was renewed is in use after the next reboot, when programs need both."""
    generations = tuple(dict.fromkeys(gpu["architecture"] for gpu in pci.own(pci.describe(read_pci(sysfs)))))
    loaded = read_loaded(sysfs, procfs)
    driver = next(iter(read_userland(root)), loaded["version"] if loaded else "") if generations else ""
    return Gpus(cuda.Offer(driver, cuda.offered(driver), generations), loaded is not None)


def text(path: Path) -> str:
    """The text of a file, or nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_pci(sysfs: Path) -> Iterator[dict[str, str]]:
    """NVIDIA's PCI functions."""
    for device in sorted((sysfs / "bus/pci/devices").glob("*")):
        vendor = text(device / "vendor").strip()
        if not vendor or int(vendor, 16) != pci.VENDOR:
            continue
        attributes = {"address": device.name, "vendor": vendor}
        attributes.update({name: text(device / name).strip() for name in ("device", "class")})
        attributes.update({name: (device / name).resolve().name for name in ("driver", "physfn") if (device / name).exists()})
        if is_lost(device):
            attributes["lost"] = "yes"
        yield attributes


def is_lost(device: Path) -> bool:
    """Whether a function answers nothing: then each byte reads as ones (`lspci` shows `rev ff`). One that sleeps is not woken."""
    if text(device / "power_state").strip() == "D3cold":
        return False
    try:
        with (device / "config").open("rb") as stream:
            return stream.read(4) == b"\xff\xff\xff\xff"
    except OSError:
        return False


def read_loaded(sysfs: Path, procfs: Path) -> dict[str, str] | None:
    """Version and flavour of the loaded module."""
    return state.loaded_driver(text(procfs / "driver/nvidia/version"), text(sysfs / "module/nvidia/version"))


def read_userland(root: Path) -> list[str]:
    """Versions of the driver's libraries, from their file names."""
    found = set()
    for folder in LIBRARY_FOLDERS:
        for library in LIBRARIES:
            for path in root.glob(f"{folder}/{library}.*.*"):
                match = state.VERSION.search(path.name)
                if match:
                    found.add(match.group(1))
    return sorted(found, key=state.version_key)


def read_divided(procfs: Path) -> list[str]:
    """PCI addresses of GPUs with parts (NVIDIA, "Multi-Instance GPU User Guide", "Device Nodes and Capabilities")."""
    found = []
    for file in sorted((procfs / "driver/nvidia/gpus").glob("*/information")):
        minor = re.search(r"^Device Minor:\s*(\d+)", text(file), re.MULTILINE)
        if minor and any((procfs / f"driver/nvidia/capabilities/gpu{minor[1]}/mig").glob("gi*")):
            found.append(file.parent.name)
    return found
