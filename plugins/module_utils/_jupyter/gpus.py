# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices belong to the GPUs that somebody may use. Private to this collection.

NVIDIA driver README, "The /proc/driver/nvidia directory": C(gpus/ADDRESS/information) has the UUID and the minor number of each
GPU. CUDA programming guide, "CUDA environment variables": C(CUDA_VISIBLE_DEVICES) takes UUIDs, of GPUs and MIG instances.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .._host.files import read_file
from .limits import ALL

PROC = "/proc/driver/nvidia/gpus"
# /dev/nvidia0 and the others by their numbers (Linux, Documentation/admin-guide/devices.txt: 195 is NVIDIA's). systemd looks up a
# path when a unit begins, and who logs in before the driver has made that node would never get it.
NODE = "/dev/char/195:{minor}"
# What each program needs beside the GPUs themselves: /dev/nvidiactl, and the nodes of the module nvidia-uvm, which has no fixed
# number.
COMMON = (NODE.format(minor=255), "char-nvidia-uvm")
# MIG instances are opened through capabilities of which the driver has hundreds; which one is whose, only the driver tells.
CAPABILITIES = "char-nvidia-caps"
NUMBER, GPU, MIG = re.compile(r"[0-9]{1,2}"), re.compile(r"GPU-[0-9a-f-]{36}"), re.compile(r"MIG-[0-9a-fA-F-]{36}")


class Gpu(NamedTuple):
    """One that the driver has."""

    minor: int
    uuid: str


class Share(NamedTuple):
    """What one person gets."""

    devices: list[str] | None
    """None: what the unit's template has, all."""
    visible: str | None
    """The value of CUDA_VISIBLE_DEVICES; None leaves it unset."""
    problem: str = ""


def present(folder: str = PROC) -> list[Gpu]:
    """The GPUs of this host in the order of their addresses on the PCI bus; none without the driver."""
    found = []
    for address in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        lines = (line.partition(":") for line in (read_file(f"{folder}/{address}/information") or "").splitlines())
        fields = {key.strip(): value.strip() for key, _colon, value in lines}
        if fields.get("Device Minor", "").isdigit():
            found.append(Gpu(int(fields["Device Minor"]), fields.get("GPU UUID", "")))
    return found


def share(wanted: Iterable[object] | None, gpus: Iterable[Gpu], besides: Iterable[str] = ()) -> Share:
    """Of somebody who may use the GPUs `wanted`: minor numbers, UUIDs of GPUs or MIG instances; C(all), or none.

    `besides`: devices that are no GPUs, which the person keeps.
    """
    words = [str(word) for word in wanted] if wanted is not None else [ALL]
    if ALL in words:
        return Share(None, None)
    known = list(gpus)
    by_word: Mapping[str, Gpu] = {**{str(gpu.minor): gpu for gpu in known}, **{gpu.uuid: gpu for gpu in known}}
    missing = [word for word in words if not MIG.fullmatch(word) and word not in by_word]
    if missing and known:
        there = ", ".join(f"{gpu.minor} ({gpu.uuid})" for gpu in known)
        return Share([*besides], "", f"gpus: found {', '.join(missing)}; expected GPUs of this host: {there}; correct the limit")
    minors = sorted(
        {by_word[word].minor for word in words if word in by_word} | {int(word) for word in words if NUMBER.fullmatch(word)}
    )
    if any(MIG.fullmatch(word) for word in words):
        # The GPU of an instance is not in its UUID.
        minors = sorted({*minors, *(gpu.minor for gpu in known)})
    devices = [NODE.format(minor=minor) for minor in minors]
    common = [*COMMON, *([CAPABILITIES] if any(MIG.fullmatch(word) for word in words) else [])] if devices else []
    # Of a GPU that is named twice, by its number and by its UUID, CUDA would see none.
    visible = ",".join(dict.fromkeys(by_word[word].uuid or word if word in by_word else word for word in words))
    return Share([*besides, *devices, *common], visible)
