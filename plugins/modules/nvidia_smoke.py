#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a kernel on each NVIDIA GPU."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_smoke
short_description: Run a kernel on each NVIDIA GPU
version_added: 0.2.0
description:
  - Runs a small kernel on each GPU through the driver's own library (CUDA Driver API) and compares what it calculated. No
    toolkit, framework or compiler is needed.
  - Fails with the name of each GPU that does not run it, that does not answer in time, or that is on the PCI bus and not seen
    by the driver. A GPU that somebody uses alone, or all memory of, is told and no failure.
  - Of GPUs that are divided (MIG), one part of one GPU is tried, as CUDA shows no more to a program; the others are told.
author:
  - openlab.research_server maintainers (@openlab)
options:
  library:
    description: The driver's library.
    type: str
    default: libcuda.so.1
  sysfs_root:
    description: Where sysfs is mounted. Another folder is of use for tests with a recorded PCI bus.
    type: path
    default: /sys
  proc_root:
    description: Where procfs is mounted.
    type: path
    default: /proc
    version_added: 0.2.0
  timeout:
    description: Seconds that each GPU has.
    type: int
    default: 60
attributes:
  action:
    description: What each GPU did is shown by the controller.
    support: full
  check_mode:
    description: Changes nothing, and runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Hosts with a loaded NVIDIA driver.
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Prove that all GPUs work
  openlab.research_server.nvidia_smoke:
  become: true
"""

RETURN = r"""
gpus:
  description: The GPUs that the driver sees.
  returned: when the driver answers
  type: list
  elements: dict
  contains:
    index: {description: The driver's number of the GPU., type: int}
    name: {description: Name., type: str, sample: NVIDIA A100-SXM4-80GB}
    address: {description: PCI address., type: str, sample: "0000:17:00.0"}
    memory: {description: Bytes of memory., type: int}
    seconds: {description: "How long the kernel ran, null where it did not.", type: float}
    problem: {description: "What failed, or empty.", type: str}
    busy: {description: "Whether that is somebody else's work on the GPU.", type: bool}
msg:
  description: A line for each GPU.
  returned: always
  type: str
  sample: "0000:17:00.0 NVIDIA A100-SXM4-80GB, 80.0 GiB: ran in 0.1 ms"
"""

import functools
import json
import os
import random
import select
import signal
import typing as t
from collections.abc import Callable
from pathlib import Path

from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._nvidia import pci
from ..module_utils._nvidia.reading import read_divided, read_pci
from ..module_utils._nvidia.smoke import CudaError, examine, survey

# What would hide GPUs, or show others.
SCRUBBED = ("CUDA_", "NVIDIA_")
LARGEST_ANSWER = 1 << 16


def apart(work: Callable[[], dict[str, t.Any]], timeout: int) -> dict[str, t.Any]:
    """What `work` returns in a process of its own, or its `problem`; one that does not end is left behind."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for name in [name for name in os.environ if name.startswith(SCRUBBED)]:
            del os.environ[name]
        try:
            os.write(writer, json.dumps(work()).encode())
        except (CudaError, OSError, AttributeError) as error:  # the last is a library without one of the calls
            os.write(writer, json.dumps({"problem": str(error)}).encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        ready, _writable, _odd = select.select([reader], [], [], timeout)
        text = os.read(reader, LARGEST_ANSWER) if ready else b""
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
    if not ready:
        return {"problem": f"no answer within {timeout} s"}
    os.waitpid(child, 0)
    found: dict[str, t.Any] = json.loads(text) if text else {"problem": "the driver's library ended the process"}
    return found


def line(gpu: t.Mapping[str, t.Any]) -> str:
    """A GPU for people."""
    what = f"{gpu['address']} {gpu['name']}, {gpu['memory'] / 1024**3:.1f} GiB"
    if gpu["problem"]:
        return f"{what}: {'in use by others: ' if gpu['busy'] else ''}{gpu['problem']}"
    return f"{what}: ran in {gpu['seconds'] * 1000:.1f} ms"


def run(module: Module) -> dict[str, t.Any]:
    library, timeout = module.params["library"], module.params["timeout"]
    on_bus = [gpu["address"] for gpu in pci.own(pci.describe(read_pci(Path(module.params["sysfs_root"]))))]
    found = apart(lambda: survey(library), timeout)
    if "problem" in found:
        raise RefusedError(
            f"the NVIDIA driver does not answer: {found['problem']}",
            "Look at 'nvidia-smi' and 'dmesg' on the host; a driver that was installed or renewed may wait for a reboot.",
        )
    seed = random.getrandbits(32)
    gpus = [
        {
            **gpu,
            "seconds": None,
            "problem": "",
            "busy": False,
            **apart(functools.partial(examine, library, gpu["index"], seed), timeout),
        }
        for gpu in found["gpus"]
    ]
    seen = {gpu["address"] for gpu in gpus}
    # Of GPUs that are divided, CUDA shows one part of one.
    divided = [address for address in read_divided(Path(module.params["proc_root"])) if address in on_bus and address not in seen]
    hidden = [f"{address}: divided (MIG), not tried" for address in divided]
    unseen = [address for address in on_bus if address not in seen and address not in divided]
    lost = [f"{address}: on the PCI bus, and the driver does not see it" for address in unseen]
    told = "\n".join([*map(line, gpus), *hidden, *lost]) or "the NVIDIA driver sees no GPU"
    failed = bool(lost) or not gpus or any(gpu["problem"] and not gpu["busy"] for gpu in gpus)
    return {"changed": False, "gpus": gpus, "msg": told, **({"failed": True} if failed else {})}


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "library": {"type": "str", "default": "libcuda.so.1"},
            "sysfs_root": {"type": "path", "default": "/sys"},
            "proc_root": {"type": "path", "default": "/proc"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
