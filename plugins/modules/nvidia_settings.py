#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the GPUs of a host: MIG, persistence mode, power limit, compute mode and ECC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_settings
short_description: Set MIG, persistence mode, power limit, compute mode and ECC of a host's NVIDIA GPUs
version_added: 0.2.0
description:
  - Reads how the GPUs are set (C(nvidia-smi -q -x)), sets what is different, and reads again. What a GPU does not have, or not
    that far, is refused before anything is set.
  - But for ECC, which holds from the next boot on, a boot forgets all of it.
  - A GPU is divided anew only where its parts are others than those that are wished for, and nobody uses it.
author:
  - openlab.research_server maintainers (@openlab)
options:
  persistence_mode:
    description: Whether GPUs stay initialised while nobody uses them. C(nvidia-persistenced) does so already.
    type: bool
  power_limit:
    description: Watts that each GPU may draw at most.
    type: float
  compute_mode:
    description: Whether many processes may use a GPU, one alone, or none.
    type: str
    choices: [default, exclusive_process, prohibited]
  ecc:
    description: Whether the memory corrects errors. Another value holds after the next boot.
    type: bool
  mig:
    description:
      - Parts that GPUs are divided into (Multi-Instance GPU), by PCI address, or V(all) for those that are not named; a GPU is
        left alone where neither is there. The parts are names of GPU instance profiles (C(nvidia-smi mig -lgip)), each with
        one compute instance, made in this order. An empty list is a whole GPU.
    type: dict
attributes:
  check_mode:
    description: Tells what would be set.
    support: full
  diff_mode:
    description: Shows the settings that are wished for, as they are and as they will be.
    support: full
  platform:
    description: Hosts with an NVIDIA driver that is in use.
    support: full
    platforms: linux
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Keep the GPUs cool, and for one process each
  openlab.research_server.nvidia_settings:
    power_limit: 250
    compute_mode: exclusive_process

- name: Divide all GPUs but one
  openlab.research_server.nvidia_settings:
    mig:
      all: [3g.40gb, 2g.20gb, 1g.10gb, 1g.10gb]
      "0000:65:00.0": []
"""

RETURN = r"""
gpus:
  description: The GPUs as they are set now, in check mode as they were found.
  returned: success
  type: list
  elements: dict
notices:
  description: What holds after the next boot only, and GPUs that do not answer.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._nvidia import mig, smi
from ..module_utils._nvidia.daemons import EXPORTER, resting

PROGRAM = "nvidia-smi"
Divisions = t.Mapping[str, tuple[str, ...]]


def read(module: Module) -> list[smi.Gpu]:
    try:
        gpus = smi.parse(call(module, "-q", "-x"))
    except ValueError as error:
        raise RefusedError(f"nvidia-smi: {error}") from error
    if not gpus:
        raise RefusedError("nvidia-smi names no GPU; expected one at least")
    if module.params["mig"] is None:
        return gpus
    asked = smi.answering(gpus)
    return [gpu._replace(parts=read_parts(module, gpu)) if gpu.mig == mig.ON and gpu in asked else gpu for gpu in gpus]


def read_parts(module: Module, gpu: smi.Gpu) -> tuple[str, ...]:
    code, text = ask(module, "mig", "-i", gpu.address, "-lgi")
    if code and "Not Found" not in text:
        raise RefusedError(f"nvidia-smi mig -i {gpu.address} -lgi: {text or f'exit code {code}'}")
    return mig.parts(text, gpu.compute_instances)


def read_profiles(module: Module, gpu: smi.Gpu) -> mig.Profiles | None:
    """What a GPU may be divided into; None where the driver does not say so before it is."""
    code, listing = ask(module, "mig", "-i", gpu.address, "-lgip")
    return None if code else mig.profiles(listing, ask(module, "mig", "-i", gpu.address, "-lgipp")[1]) or None


def ask(module: Module, *arguments: str) -> tuple[int, str]:
    code, out, err = module.run_command(["timeout", "--kill-after=5", "60", PROGRAM, *arguments], environ_update={"LC_ALL": "C"})
    return code, str(out + err).strip()


def call(module: Module, *arguments: str) -> str:
    code, text = ask(module, *arguments)
    if code:
        raise RefusedError(f"{' '.join([PROGRAM, *arguments])}: {text or f'exit code {code}'}")
    return text


def divide(module: Module, gpu: smi.Gpu, wanted: tuple[str, ...]) -> None:
    """Make a GPU's parts others. Where its mode waits for a boot, the rest waits, too."""
    before = gpu
    if wanted and gpu.mig != mig.ON:
        call(module, "-i", gpu.address, "-mig", "1")
        gpu = next(found for found in read(module) if found.address == gpu.address)
        if gpu.mig != mig.ON:
            return
    try:
        divide_anew(module, gpu, wanted)
    except RefusedError as error:
        if before.mig != mig.ON:
            for arguments in (
                ("mig", "-i", gpu.address, "-dci"),
                ("mig", "-i", gpu.address, "-dgi"),
                ("-i", gpu.address, "-mig", "0"),
            ):
                ask(module, *arguments)
        raise RefusedError(f"{error}. GPU {gpu.address} was {mig.shown(before.mig, before.parts)} before") from error


def divide_anew(module: Module, gpu: smi.Gpu, wanted: tuple[str, ...]) -> None:
    # Only now an older driver says what there is room for.
    known = read_profiles(module, gpu)
    problems = list(mig.unfit(gpu, wanted, known)) if known else []
    if problems:
        raise RefusedError("; ".join(problems))
    if gpu.compute_instances:
        call(module, "mig", "-i", gpu.address, "-dci")
    if gpu.parts:
        call(module, "mig", "-i", gpu.address, "-dgi")
    if wanted:
        call(module, "mig", "-i", gpu.address, "-cgi", ",".join(wanted), "-C")
    else:
        call(module, "-i", gpu.address, "-mig", "0")


def refuse(module: Module, gpus: list[smi.Gpu], wish: smi.Wish, divisions: Divisions, strange: list[str]) -> None:
    """Stop before anything is set."""
    refused = smi.problems(gpus, wish) + strange
    for gpu in gpus:
        if gpu.address in divisions:
            wanted = divisions[gpu.address]
            known = read_profiles(module, gpu) if wanted and gpu.mig != mig.NONE else None
            refused += mig.problems(gpu, wanted, known)
    if refused:
        raise RefusedError("; ".join(refused))


def to_divide(gpus: list[smi.Gpu], divisions: Divisions) -> list[smi.Gpu]:
    return [gpu for gpu in gpus if gpu.address in divisions and mig.differs(gpu, divisions[gpu.address])]


def settle(module: Module, gpus: list[smi.Gpu], wish: smi.Wish, divisions: Divisions) -> list[smi.Gpu]:
    """Set what differs, and read again what has become of it. A GPU that is divided may be reset, so that comes first."""
    dividing = to_divide(gpus, divisions)
    with resting(module.run_command, (EXPORTER,) if dividing else ()):
        for gpu in dividing:
            divide(module, gpu, divisions[gpu.address])
    for step in smi.steps(smi.answering(read(module)), wish):
        call(module, "-i", step.gpu.address, *step.arguments)
    gpus = smi.answering(read(module))
    left = [f"{step}, expected {step.wanted}" for step in smi.steps(gpus, wish)]
    left += [f"GPU {gpu.address}: {mig.shown(gpu.mig, gpu.parts)}" for gpu in to_divide(gpus, divisions)]
    if left:
        raise RefusedError(f"nvidia-smi has not set {'; '.join(left)}")
    return gpus


def run(module: Module) -> dict[str, t.Any]:
    params = module.params
    wish = smi.Wish(**{name: params[name] for name in smi.Wish._fields})
    malformed = list(mig.malformed(params["mig"] or {}))
    if malformed:
        raise RefusedError("; ".join(malformed))
    found = read(module)
    gpus, silent = smi.answering(found), smi.silent(found)
    if not gpus:
        raise RefusedError("; ".join(silent))
    divisions = mig.wished(gpus, params["mig"] or {})
    refuse(module, gpus, wish, divisions, mig.strangers(found, params["mig"] or {}))
    steps, dividing = list(smi.steps(gpus, wish)), to_divide(gpus, divisions)
    before = smi.shown(gpus, wish)
    after = before
    for step in steps:
        after = after.replace(
            f"GPU {step.gpu.address}: {step.setting} {step.found}\n", f"GPU {step.gpu.address}: {step.setting} {step.wanted}\n"
        )
    for gpu in gpus:
        if gpu.address in divisions:
            wanted = divisions[gpu.address] if gpu in dividing else gpu.parts
            before += f"GPU {gpu.address}: {mig.shown(gpu.mig, gpu.parts)}\n"
            after += f"GPU {gpu.address}: {mig.shown(mig.ON if wanted else '', wanted)}\n"
    if (steps or dividing) and not module.check_mode:
        gpus = settle(module, gpus, wish, divisions)
    return {
        "changed": bool(steps or dividing),
        "gpus": [gpu._asdict() for gpu in gpus],
        "notices": [*silent, *smi.waiting(gpus), *mig.waiting(gpus)],
        "diff": {"before": before, "after": after},
    }


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "persistence_mode": {"type": "bool"},
            "power_limit": {"type": "float"},
            "compute_mode": {"type": "str", "choices": list(smi.COMPUTE_MODES)},
            "ecc": {"type": "bool"},
            "mig": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
