# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PCI devices are NVIDIA GPUs, of which generation, and what a generation needs. Pure. Private to this collection.

Sources: the device ids come from the PCI ID database (https://pci-ids.ucw.cz, version 2026.10.24), which names the chip of
each id; NVIDIA gives each chip a block of ids, so blocks are enough. What a generation needs comes from NVIDIA's Driver
Installation Guide ("Kernel Modules") and its list of legacy branches.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_right
from collections.abc import Iterable, Mapping

VENDOR = 0x10DE
DISPLAY_CLASS = 0x03  # VGA, XGA, 3D and other display controllers; audio is 0x04, NVSwitch 0x0680

BRIDGE_CLASS = 0x0680
FIRST_SWITCH = 0x1AC0  # V100's; bridges of NVIDIA's chipsets for mainboards have lower ids

UNKNOWN = "unknown"


class Architecture(t.NamedTuple):
    """What a generation of GPUs needs from the driver; branches are the first number of a driver's version."""

    proprietary: bool  # the proprietary kernel modules drive it
    open: bool  # the open kernel modules drive it (they need the GSP, new in Turing)
    first_branch: int  # the oldest branch worth installing that drives it
    last_branch: int | None  # the last branch that drives it, None: still in the current one


ARCHITECTURES: dict[str, Architecture] = {
    "fermi": Architecture(proprietary=True, open=False, first_branch=390, last_branch=390),
    "kepler": Architecture(proprietary=True, open=False, first_branch=390, last_branch=470),
    "maxwell": Architecture(proprietary=True, open=False, first_branch=390, last_branch=580),
    "pascal": Architecture(proprietary=True, open=False, first_branch=390, last_branch=580),
    "volta": Architecture(proprietary=True, open=False, first_branch=390, last_branch=580),
    "turing": Architecture(proprietary=True, open=True, first_branch=418, last_branch=None),
    "ampere": Architecture(proprietary=True, open=True, first_branch=470, last_branch=None),
    "ada": Architecture(proprietary=True, open=True, first_branch=525, last_branch=None),
    "hopper": Architecture(proprietary=True, open=True, first_branch=525, last_branch=None),
    "grace-hopper": Architecture(proprietary=False, open=True, first_branch=525, last_branch=None),
    "blackwell": Architecture(proprietary=False, open=True, first_branch=570, last_branch=None),
    # Not in the guide yet; what Blackwell needs is the least that its successor needs.
    "rubin": Architecture(proprietary=False, open=True, first_branch=570, last_branch=None),
}

# First and last device id of each block, in order.
BLOCKS: tuple[tuple[int, int, str], ...] = (
    (0x0FC0, 0x103F, "kepler"),
    (0x1040, 0x10BF, "fermi"),
    (0x1140, 0x117F, "fermi"),
    (0x1180, 0x11FF, "kepler"),
    (0x1200, 0x127F, "fermi"),
    (0x1280, 0x133F, "kepler"),
    (0x1340, 0x147F, "maxwell"),
    (0x15C0, 0x15FF, "pascal"),
    (0x1600, 0x16FF, "maxwell"),
    (0x1700, 0x173F, "pascal"),
    (0x1740, 0x17FF, "maxwell"),
    (0x1B00, 0x1D7F, "pascal"),
    (0x1D80, 0x1DFF, "volta"),
    (0x1E00, 0x1FFF, "turing"),
    (0x2080, 0x20FF, "ampere"),
    (0x2180, 0x21FF, "turing"),
    (0x2200, 0x227F, "ampere"),
    (0x2300, 0x2341, "hopper"),
    (0x2342, 0x2342, "grace-hopper"),
    (0x2343, 0x2347, "hopper"),
    (0x2348, 0x2348, "grace-hopper"),
    (0x2349, 0x23FF, "hopper"),
    (0x2400, 0x25FF, "ampere"),
    (0x2680, 0x28FF, "ada"),
    (0x2900, 0x2F7F, "blackwell"),
    (0x3000, 0x30FF, "rubin"),
    (0x3180, 0x34FF, "blackwell"),
)
# Kernel drivers that lend a GPU to a guest: it is not this host's to drive.
PASSED_THROUGH = ("vfio-pci", "nvgrace_gpu_vfio_pci", "pci-stub", "xen-pciback")
STARTS = [first for first, _last, _name in BLOCKS]


def architecture(device: int) -> str:
    """Name the generation of a device id, or ``unknown``: older than Kepler, or newer than the table."""
    at = bisect_right(STARTS, device) - 1
    if at >= 0 and device <= BLOCKS[at][1]:
        return BLOCKS[at][2]
    return UNKNOWN


def is_gpu(attributes: Mapping[str, str]) -> bool:
    """Tell a GPU from other NVIDIA functions and from other vendors' display controllers, by sysfs attributes."""
    return int(attributes["vendor"], 16) == VENDOR and int(attributes["class"], 16) >> 16 == DISPLAY_CLASS


def is_switch(attributes: Mapping[str, str]) -> bool:
    """Tell an NVSwitch, which joins GPUs on a board of its own, from bridges of NVIDIA's former chipsets."""
    return int(attributes["class"], 16) >> 8 == BRIDGE_CLASS and int(attributes["device"], 16) >= FIRST_SWITCH


def describe(devices: Iterable[Mapping[str, str]]) -> list[dict[str, t.Any]]:
    """Turn sysfs attributes of PCI functions into GPUs, in the order of their addresses.

    Each mapping has C(address), C(vendor), C(device), C(class), and where they exist C(driver) (name of the bound kernel
    driver), C(physfn) (address of the physical function, for a virtual function of an SR-IOV GPU) and C(lost) (it answers
    nothing). Virtual functions are slices for guests, not GPUs of this host, and do not count.
    """
    gpus = []
    for attributes in sorted(devices, key=lambda item: item["address"]):
        if not is_gpu(attributes) or attributes.get("physfn"):
            continue
        device = int(attributes["device"], 16)
        gpus.append(
            {
                "address": attributes["address"],
                "device_id": f"{device:04x}",
                "architecture": architecture(device),
                "kernel_driver": attributes.get("driver") or None,
                "lost": bool(attributes.get("lost")),
            }
        )
    return gpus


def own(gpus: Iterable[Mapping[str, t.Any]]) -> list[Mapping[str, t.Any]]:
    """Those that are not lent to guests."""
    return [gpu for gpu in gpus if gpu.get("kernel_driver") not in PASSED_THROUGH]
