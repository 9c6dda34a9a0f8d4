#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the GPUs of a host: persistence mode, power limit, compute mode and ECC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_settings
short_description: Set persistence mode, power limit, compute mode and ECC of a host's NVIDIA GPUs
version_added: 0.2.0
description:
  - Reads how the GPUs are set (C(nvidia-smi -q -x)), sets what is different, and reads again. What a GPU does not have, or not
    that far, is refused before anything is set.
  - But for ECC, which holds from the next boot on, a boot forgets all of it.
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
"""

RETURN = r"""
gpus:
  description: The GPUs as they are set now, in check mode as they were found.
  returned: success
  type: list
  elements: dict
notices:
  description: What holds after the next boot only.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._nvidia import smi

PROGRAM = "nvidia-smi"


def read(module: Module) -> list[smi.Gpu]:
    try:
        gpus = smi.parse(call(module, "-q", "-x"))
    except ValueError as error:
        raise RefusedError(f"nvidia-smi: {error}") from error
    if not gpus:
        raise RefusedError("nvidia-smi names no GPU; expected one at least")
    return gpus


def call(module: Module, *arguments: str) -> str:
    code, out, err = module.run_command(["timeout", "--kill-after=5", "60", PROGRAM, *arguments], environ_update={"LC_ALL": "C"})
    if code:
        raise RefusedError(f"{' '.join([PROGRAM, *arguments])}: {(out + err).strip() or f'exit code {code}'}")
    return str(out)


def run(module: Module) -> dict[str, t.Any]:
    wish = smi.Wish(**module.params)
    gpus = read(module)
    refused = smi.problems(gpus, wish)
    if refused:
        raise RefusedError("; ".join(refused))
    steps = list(smi.steps(gpus, wish))
    before = smi.shown(gpus, wish)
    after = before
    for step in steps:
        after = after.replace(
            f"GPU {step.gpu.address}: {step.setting} {step.found}\n", f"GPU {step.gpu.address}: {step.setting} {step.wanted}\n"
        )
    if steps and not module.check_mode:
        for step in steps:
            call(module, "-i", step.gpu.address, *step.arguments)
        gpus = read(module)
        left = [f"{step}, expected {step.wanted}" for step in smi.steps(gpus, wish)]
        if left:
            raise RefusedError(f"nvidia-smi has not set {'; '.join(left)}")
    return {
        "changed": bool(steps),
        "gpus": [gpu._asdict() for gpu in gpus],
        "notices": smi.waiting(gpus),
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
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
