# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines with GPUs, sound and broken, as their files show them. Each file of `gpu_machines/` is one:

about, recorded, composed   what it is, which values are those of a real machine and whose, which ones are ours
system                      fields of os-release (like: ID_LIKE), and the kernel that runs
pci                         address -> device (vendor:device), class, driver, lost (it answers nothing), power_state
loaded, modules, libraries  the NVIDIA module in use, other modules, versions of the driver's libraries
stream                      the stream of NVIDIA's module that dnf has enabled
packages, kernels, dkms     what is installed; kernel -> headers, image (it can be booted), dkms; what DKMS builds
secure_boot, wishes         whether it is on; variables of the role
expected                    what has to be found and decided; texts are parts of sentences
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "gpu_machines"
EFI = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
KINDS = {"open": "Open Kernel Module for x86_64", "proprietary": "x86_64 Kernel Module"}

Machine = dict[str, t.Any]

# What the role's variables ask for where nobody has set them.
USUAL_WISHES: dict[str, t.Any] = {
    "required": False,
    "source": "distribution",
    "module_flavour": "auto",
    "version": "",
    "repository_url": "https://nvidia.example/debian12/x86_64",
    "kernel_headers": "running",
    "cuda_toolkit": False,
    "cuda_toolkit_package": "",
    "cuda_toolkits": [],
    "container_toolkit": False,
    "container_toolkit_url": "https://nvidia.example/containers/amd64",
    "dcgm_exporter": False,
    "upgrade_in_use": False,
    "clean_legacy": False,
}


def machines() -> dict[str, Machine]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def write(machine: Machine, root: Path) -> None:
    """Write the files that the machine has, below a folder."""
    for path, content in _files(machine):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for address, function in machine["pci"].items():
        if "driver" in function:
            target = root / "sys/bus/pci/drivers" / function["driver"]
            target.mkdir(parents=True, exist_ok=True)
            (root / "sys/bus/pci/devices" / address / "driver").symlink_to(target)
    for release, kernel in machine.get("kernels", {}).items():
        if kernel.get("dkms") == "installed":
            module, version = machine["dkms"].split("/")
            (root / f"var/lib/dkms/{module}/kernel-{release}-x86_64").symlink_to(f"{version}/{release}/x86_64")


def rpm(machine: Machine) -> str:
    """What rpm says of the packages, on a machine that has it."""
    return "".join(f"{name} {version} noarch\n" for name, version in machine.get("packages", {}).items())


def _files(machine: Machine) -> t.Iterator[tuple[str, str | bytes]]:
    system = machine["system"]
    release = {"ID": system["id"], "ID_LIKE": f'"{system.get("like", "")}"', "VERSION_ID": f'"{system["version"]}"'}
    release["VERSION_CODENAME"] = system.get("codename", "")
    yield "etc/os-release", "".join(f"{name}={value}\n" for name, value in release.items())
    yield "proc/sys/kernel/osrelease", f"{system['kernel']}\n"
    packages = machine.get("packages", {}).items()
    status = [f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n" for name, version in packages]
    yield "var/lib/dpkg/status", "\n".join(status)
    for address, function in machine["pci"].items():
        folder = f"sys/bus/pci/devices/{address}"
        vendor, device = function["device"].split(":")
        yield f"{folder}/vendor", f"0x{vendor}\n"
        yield f"{folder}/device", f"0x{device}\n"
        yield f"{folder}/class", f"0x{function['class']}00\n"
        yield f"{folder}/power_state", f"{function.get('power_state', 'D0')}\n"
        yield f"{folder}/config", b"\xff" * 64 if function.get("lost") else bytes.fromhex(vendor + device)[::-1] + bytes(60)
    for module in machine.get("modules", ()):
        yield f"sys/module/{module}/refcnt", "1\n"
    if "loaded" in machine:
        version, kind = machine["loaded"]["version"], KINDS[machine["loaded"]["flavour"]]
        yield "sys/module/nvidia/version", f"{version}\n"
        yield "proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX {kind}  {version}  Release Build\n"
    for version in machine.get("libraries", ()):
        yield f"{LIBRARIES}/libcuda.so.{version}", ""
    if "stream" in machine:
        yield "etc/dnf/modules.d/nvidia-driver.module", f"[nvidia-driver]\nstream={machine['stream']}\nstate=enabled\n"
    if machine.get("secure_boot"):
        yield EFI, b"\x06\0\0\0\x01"
    yield from _kernels(machine)


def _kernels(machine: Machine) -> t.Iterator[tuple[str, str]]:
    if "dkms" in machine:
        yield f"var/lib/dkms/{machine['dkms']}/source/dkms.conf", ""
    for release, kernel in machine.get("kernels", {}).items():
        yield f"lib/modules/{release}/modules.dep", ""
        if kernel.get("image"):
            yield f"boot/vmlinuz-{release}", ""
        if kernel.get("headers"):
            yield f"usr/src/linux-headers-{release}/Makefile", ""
        if kernel.get("dkms") == "installed":
            yield f"var/lib/dkms/{machine['dkms']}/{release}/x86_64/module/nvidia.ko", ""
        if kernel.get("dkms") == "failed":
            log = f"DKMS make.log for {machine['dkms'].replace('/', '-')} for kernel {release} (x86_64)\n"
            yield f"var/lib/dkms/{machine['dkms']}/build/make.log", log
