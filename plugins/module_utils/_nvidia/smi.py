# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How GPUs are set, as `nvidia-smi -q -x` says it, and what sets them otherwise. Pure. Private to this collection.

Source: nvidia-smi(1). Until branch 525 the limit is in `power_readings`, since then in `gpu_power_readings`.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree

COMPUTE_MODES = {"default": "Default", "exclusive_process": "Exclusive_Process", "prohibited": "Prohibited"}
# What it says in place of a setting of a GPU that has fallen off the bus, or hangs.
SILENT = re.compile(r"lost|reset|ERR!|Unknown Error", re.IGNORECASE)
SWITCHES = {True: "Enabled", False: "Disabled"}


class Gpu(t.NamedTuple):
    """One GPU, with what nvidia-smi says of it; `N/A` is what it does not have."""

    address: str
    name: str
    persistence_mode: str
    compute_mode: str
    power_limit: str
    least: str
    most: str
    ecc: str
    ecc_now: str
    mig: str = "N/A"
    mig_next: str = "N/A"
    compute_instances: tuple[int, ...] = ()
    """The part of a divided GPU in which each is."""
    processes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    """Of a divided GPU. It is no answer to `-q -x`; see the room mig."""


class Step(t.NamedTuple):
    """A setting of a GPU that is to be another one, and nvidia-smi's arguments for it."""

    gpu: Gpu
    setting: str
    found: str
    wanted: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.setting} of GPU {self.gpu.address}: {self.found}"


class Wish(t.NamedTuple):
    """As the role's variable has it; None leaves a setting alone."""

    persistence_mode: bool | None = None
    power_limit: float | None = None
    compute_mode: str | None = None
    ecc: bool | None = None


def parse(text: str) -> list[Gpu]:
    """All GPUs. Raises ValueError if it is no answer of nvidia-smi."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # the driver's own program has written it
    except ElementTree.ParseError as error:
        raise ValueError(f"expected what 'nvidia-smi -q -x' prints; {error}") from error
    return [_gpu(element) for element in root.findall("gpu")]


def _gpu(element: ElementTree.Element) -> Gpu:
    def first(*paths: str) -> str:
        return next((found.strip() for path in paths for found in [element.findtext(path)] if found is not None), "N/A")

    def power(*names: str) -> str:
        return first(*(f"{room}/{name}" for room in ("gpu_power_readings", "power_readings") for name in names))

    return Gpu(
        # As the kernel writes it: four digits are the domain.
        address=(element.get("id") or "").lower()[-12:],
        name=first("product_name"),
        persistence_mode=first("persistence_mode"),
        compute_mode=first("compute_mode"),
        power_limit=power("requested_power_limit", "current_power_limit", "power_limit"),
        least=power("min_power_limit"),
        most=power("max_power_limit"),
        ecc=first("ecc_mode/pending_ecc"),
        ecc_now=first("ecc_mode/current_ecc"),
        mig=first("mig_mode/current_mig"),
        mig_next=first("mig_mode/pending_mig"),
        compute_instances=tuple(int(found.text or -1) for found in element.findall("mig_devices/mig_device/gpu_instance_id")),
        processes=tuple(_process(found) for found in element.findall("processes/process_info")),
    )


def _process(element: ElementTree.Element) -> str:
    name = (element.findtext("process_name") or "").strip()
    return f"{name or 'a process'} ({(element.findtext('pid') or '').strip()})"


def answering(gpus: Sequence[Gpu]) -> list[Gpu]:
    """Those that say what every GPU has."""
    return [gpu for gpu in gpus if not SILENT.search(gpu.persistence_mode + gpu.compute_mode)]


def silent(gpus: Sequence[Gpu]) -> list[str]:
    """A sentence on each of the others."""
    answer = answering(gpus)
    return [
        f"GPU {gpu.address} does not answer (found '{gpu.compute_mode}') and is left as it is; reset it (nvidia-smi "
        "--gpu-reset), or reboot"
        for gpu in gpus
        if gpu not in answer
    ]


def watts(text: str) -> float | None:
    """`250.00 W`."""
    try:
        return float(text.removesuffix("W"))
    except ValueError:
        return None


def problems(gpus: Sequence[Gpu], wish: Wish) -> list[str]:
    """What these GPUs do not have, or not so far."""
    found = []
    for gpu in gpus:
        what = f"GPU {gpu.address} ({gpu.name})"
        if wish.ecc is not None and gpu.ecc not in SWITCHES.values():
            found.append(f"ecc: {what} has none that could be set; leave ecc out for this host")
        if wish.power_limit is not None:
            least, most = watts(gpu.least), watts(gpu.most)
            if least is None or most is None:
                found.append(f"power_limit: {what} has none that could be set; leave power_limit out for this host")
            elif not least <= wish.power_limit <= most:
                found.append(f"power_limit: found {wish.power_limit:g}; expected {least:g} to {most:g} W for {what}")
    return found


def steps(gpus: Sequence[Gpu], wish: Wish) -> Iterator[Step]:
    """What has to be set."""
    for gpu in gpus:
        if wish.persistence_mode is not None and gpu.persistence_mode != SWITCHES[wish.persistence_mode]:
            yield Step(
                gpu,
                "persistence mode",
                gpu.persistence_mode,
                SWITCHES[wish.persistence_mode],
                ("-pm", str(int(wish.persistence_mode))),
            )
        if wish.compute_mode is not None and gpu.compute_mode != COMPUTE_MODES[wish.compute_mode]:
            yield Step(gpu, "compute mode", gpu.compute_mode, COMPUTE_MODES[wish.compute_mode], ("-c", wish.compute_mode.upper()))
        if wish.power_limit is not None and watts(gpu.power_limit) != round(wish.power_limit, 2):
            yield Step(gpu, "power limit", gpu.power_limit, f"{wish.power_limit:.2f} W", ("-pl", f"{wish.power_limit:g}"))
        if wish.ecc is not None and gpu.ecc != SWITCHES[wish.ecc]:
            yield Step(gpu, "ECC", gpu.ecc, SWITCHES[wish.ecc], ("-e", str(int(wish.ecc))))


def waiting(gpus: Sequence[Gpu]) -> list[str]:
    """What is set, and holds after the next boot."""
    return [
        f"ECC of GPU {gpu.address} is {gpu.ecc} after the next boot, {gpu.ecc_now} until then"
        for gpu in gpus
        if gpu.ecc != gpu.ecc_now
    ]


def shown(gpus: Sequence[Gpu], wish: Wish) -> str:
    """The settings that are wished for, a line each."""
    values: Mapping[str, t.Callable[[Gpu], str]] = {
        "persistence_mode": lambda gpu: f"persistence mode {gpu.persistence_mode}",
        "power_limit": lambda gpu: f"power limit {gpu.power_limit}",
        "compute_mode": lambda gpu: f"compute mode {gpu.compute_mode}",
        "ecc": lambda gpu: f"ECC {gpu.ecc}",
    }
    names = [name for name, value in wish._asdict().items() if value is not None]
    return "".join(f"GPU {gpu.address}: {values[name](gpu)}\n" for gpu in gpus for name in names)
