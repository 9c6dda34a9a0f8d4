# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a kernel on a GPU with nothing but the driver's own library (CUDA Driver API). Private to this collection.

Whoever calls this is a process of its own: a GPU that does not answer holds it for ever.
"""

from __future__ import annotations

import ctypes
import time
import typing as t

# For every generation since Maxwell: the driver translates it for the GPU that it finds. Each thread writes its number squared,
# and something that only this run knows.
KERNEL = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry smoke(.param .u64 smoke_results, .param .u32 smoke_seed, .param .u32 smoke_count)
{
    .reg .pred %p<2>;
    .reg .b32 %r<8>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [smoke_results];
    ld.param.u32 %r1, [smoke_seed];
    ld.param.u32 %r2, [smoke_count];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.u32 %r6, %r3, %r4, %r5;
    setp.ge.u32 %p1, %r6, %r2;
    @%p1 bra DONE;
    mad.lo.u32 %r7, %r6, %r6, %r1;
    cvta.to.global.u64 %rd2, %rd1;
    mul.wide.u32 %rd3, %r6, 4;
    add.u64 %rd4, %rd2, %rd3;
    st.global.u32 [%rd4], %r7;
DONE:
    ret;
}
"""
THREADS, BLOCKS = 256, 64
COUNT = THREADS * BLOCKS - 1
# CUDA_ERROR_OUT_OF_MEMORY, and CUDA_ERROR_DEVICE_UNAVAILABLE of a GPU that is one process's alone: somebody works on it.
BUSY = (2, 46)


class CudaError(Exception):
    """A call of the driver that failed."""

    def __init__(self, call: str, code: int, name: str) -> None:
        super().__init__(f"{call.removesuffix('_v2')}: {name or 'error'} ({code})")
        self.code = code


class Driver:
    """The driver's library; each call that fails raises CudaError. Raises OSError where there is none."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self("cuInit", ctypes.c_uint(0))

    def __call__(self, call: str, *arguments: t.Any) -> None:
        code = int(getattr(self._library, call)(*arguments))
        if code:
            name = ctypes.c_char_p()
            self._library.cuGetErrorName(ctypes.c_int(code), ctypes.byref(name))
            raise CudaError(call, code, (name.value or b"").decode("ascii", "replace"))

    def number(self, call: str, *arguments: t.Any) -> int:
        """The number that a call returns through its first argument."""
        found = ctypes.c_int()
        self(call, ctypes.byref(found), *arguments)
        return found.value

    def text(self, call: str, device: ctypes.c_int) -> str:
        """The text that a call returns through its first argument."""
        room = ctypes.create_string_buffer(256)
        self(call, room, ctypes.c_int(len(room)), device)
        return room.value.decode("utf-8", "replace")


def survey(library: str) -> dict[str, t.Any]:
    """The GPUs that the driver sees, by number, name, PCI address and memory."""
    driver = Driver(library)
    gpus = []
    for index in range(driver.number("cuDeviceGetCount")):
        device, memory = ctypes.c_int(driver.number("cuDeviceGet", ctypes.c_int(index))), ctypes.c_size_t()
        driver("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
        name, address = driver.text("cuDeviceGetName", device), driver.text("cuDeviceGetPCIBusId", device).lower()
        gpus.append({"index": index, "name": name, "address": address, "memory": memory.value})
    return {"gpus": gpus}


def examine(library: str, index: int, seed: int) -> dict[str, t.Any]:
    """How long the kernel ran on one GPU, or a `problem`; `busy` says that it is somebody else's work."""
    try:
        driver = Driver(library)
        return {"seconds": _run(driver, ctypes.c_int(driver.number("cuDeviceGet", ctypes.c_int(index))), seed)}
    except CudaError as error:
        return {"problem": str(error), "busy": error.code in BUSY}
    except ValueError as error:
        return {"problem": str(error)}


def _run(driver: Driver, device: ctypes.c_int, seed: int) -> float:
    """Seconds that the kernel took. Raises ValueError if it calculates wrongly."""
    context, module, function, results = (ctypes.c_void_p() for _each in range(4))
    room = (ctypes.c_uint32 * COUNT)()
    driver("cuCtxCreate_v2", ctypes.byref(context), ctypes.c_uint(0), device)
    try:
        driver("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(KERNEL))
        driver("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(b"smoke"))
        driver("cuMemAlloc_v2", ctypes.byref(results), ctypes.c_size_t(ctypes.sizeof(room)))
        values = (results, ctypes.c_uint32(seed), ctypes.c_uint32(COUNT))
        parameters = (ctypes.c_void_p * len(values))(*(ctypes.cast(ctypes.byref(value), ctypes.c_void_p) for value in values))
        shape = [ctypes.c_uint(size) for size in (BLOCKS, 1, 1, THREADS, 1, 1, 0)]
        begun = time.perf_counter()
        driver("cuLaunchKernel", function, *shape, None, parameters, None)
        driver("cuCtxSynchronize")
        seconds = time.perf_counter() - begun
        driver("cuMemcpyDtoH_v2", room, results, ctypes.c_size_t(ctypes.sizeof(room)))
    finally:
        driver("cuCtxDestroy_v2", context)
    wrong = sum(value != (number * number + seed) % 2**32 for number, value in enumerate(room))
    if wrong:
        raise ValueError(f"the kernel ran, and {wrong} of {COUNT} results are wrong")
    return seconds
