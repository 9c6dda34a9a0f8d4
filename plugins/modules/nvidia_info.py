# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NVIDIA GPUs a host has and which driver, and whether the parts of the driver agree."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_info
short_description: Tell which NVIDIA GPUs and which driver a host has
version_added: 0.1.0
description:
  - Lists the NVIDIA GPUs on the PCI bus with their generation, and the NVIDIA driver that is loaded, installed and
    available, and says whether these agree and whether a reboot is what is missing.
  - Reads files only. No program is started, so neither C(lspci) nor C(nvidia-smi) needs to be there. On the RHEL family C(rpm) is
    asked once for the installed packages, and with O(available) C(dnf) for those that can be had.
  - Without a GPU the rest is still reported.
author:
  - openlab.research_server maintainers (@openlab)
options:
  root:
    description: Folder under which C(etc), C(lib/modules) and C(var/lib) are looked up.
    type: path
    default: /
  sysfs_root:
    description: Where sysfs is mounted. Another folder is of use for tests with a recorded PCI bus.
    type: path
    default: /sys
  available:
    description:
      - Also tell what the package lists offer. Off by default, as they are tens of megabytes.
      - Lists that apt keeps compressed are not read. C(dnf) fetches lists that are out of date.
    type: bool
    default: false
  processes:
    description: Also tell which processes use the GPUs. Off by default, as it looks at the open files of all processes.
    type: bool
    default: false
    version_added: 0.2.0
  ignore_sources:
    description:
      - Files of package sources that are left out of RV(info.apt_sources) and RV(info.yum_repositories), such as the one that the
        caller writes.
    type: list
    elements: path
    default: []
  wishes:
    description:
      - What is wished for, as P(openlab.research_server.nvidia_plan#filter) takes it. The result then says in C(msg) what
        is there, and the task fails with what stands in the way of the driver.
      - Handled on the controller.
    type: dict
    version_added: 0.2.0
attributes:
  action:
    description: The wishes are compared with what was found on the controller.
    support: full
  check_mode:
    description: Changes nothing, and runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Hosts with sysfs. Packages and their sources are read on hosts with dpkg and apt, or rpm and dnf.
    support: full
    platforms: linux
notes:
  - Needs root to read all of it; the EFI variables and apt's lists are readable for all on the supported distributions.
"""

EXAMPLES = r"""
- name: Read GPUs and driver
  openlab.research_server.nvidia_info:
  register: nvidia

- name: Stop where the driver's parts are of different versions
  ansible.builtin.assert:
    that: nvidia.info.health.consistent
    fail_msg: "{{ nvidia.info.health.disagreements | join('; ') }}"
"""

RETURN = r"""
apply:
  description: Whether, by O(wishes), there is a GPU on this host that a driver is to be looked after for.
  returned: with O(wishes)
  type: bool
info:
  description: What was found.
  returned: success
  type: dict
  contains:
    gpus:
      description: >-
        NVIDIA display controllers (PCI vendor 10de, class 03) in the order of their addresses. Virtual functions, audio
        functions and NVSwitches are none.
      type: list
      elements: dict
      contains:
        address: {description: PCI address., type: str, sample: "0000:17:00.0"}
        device_id: {description: PCI device id., type: str, sample: "20b2"}
        architecture:
          description: Generation, such as V(pascal), V(ampere) or V(hopper); V(unknown) for an id that is not in the table.
          type: str
        kernel_driver: {description: Kernel driver that is bound to the GPU., type: str, sample: nvidia}
        lost: {description: "Whether it has fallen off the bus, and answers nothing (Xid 79).", type: bool}
    driver:
      description: The driver.
      type: dict
      contains:
        loaded: {description: "C(version) and C(flavour) (V(open) or V(proprietary)) of the loaded module, or null.", type: dict}
        userland: {description: Versions of the installed C(libcuda) and C(libnvidia-ml)., type: list, elements: str}
        unpackaged: {description: "Whether it came with NVIDIA's own installer, not with packages.", type: bool}
        cuda:
          description: The highest CUDA that the installed driver offers, as far as known. Empty without a driver or a GPU.
          type: str
          sample: "12.4"
    nvswitches: {description: PCI addresses of NVSwitches., type: list, elements: str}
    nouveau: {description: Whether the kernel module nouveau is loaded., type: bool}
    kernels:
      description: Kernels that have a folder in C(/lib/modules).
      type: list
      elements: dict
      contains:
        release: {description: Release., type: str, sample: 6.1.0-50-amd64}
        running: {description: Whether it is the running one., type: bool}
        next: {description: "Whether it boots next: the newest in C(/boot) of the running one's kind.", type: bool}
        headers: {description: Whether its headers are installed., type: bool}
        module: {description: "Version of its installed NVIDIA module that DKMS built, or null.", type: str}
        state:
          description: >-
            What DKMS did for it: V(installed), V(built), V(failed) or null; V(other) where its NVIDIA module is there, and not
            from DKMS.
          type: str
    dkms: {description: "What DKMS can build of the driver, as C(module/version).", type: list, elements: str}
    health:
      description: Whether the parts agree.
      type: dict
      contains:
        consistent: {description: Whether module and libraries have one version., type: bool}
        disagreements: {description: What does not agree., type: list, elements: str}
        on_disk:
          description: What does not agree of the installed parts, whatever is loaded.
          type: list
          elements: str
        reboot_required: {description: Whether a reboot is needed to use the installed driver., type: bool}
        reboot_reasons: {description: Why., type: list, elements: str}
        loadable: {description: Whether the module can be loaded without a reboot., type: bool}
        reloadable:
          description: >-
            Version of the installed module that can take the place of the loaded one without a reboot, once nobody uses that.
          type: str
        next_boot: {description: Why the driver will be missing after the next boot., type: list, elements: str}
    secure_boot:
      description: Secure Boot.
      type: dict
      contains:
        state: {description: "V(enabled), V(disabled), or V(unsupported) (no EFI).", type: str}
        enforced:
          description: Whether the running kernel takes signed modules only, by C(module.sig_enforce) or its lockdown.
          type: bool
        key: {description: Certificate that DKMS signs with., type: str, sample: /var/lib/dkms/mok.pub}
        key_enrolled: {description: Whether the firmware or shim trusts it., type: bool}
    packages: {description: "Installed packages of driver, CUDA and kernel, with their versions (dpkg or rpm).", type: dict}
    available:
      description: Versions that the package lists offer of driver, CUDA toolkit and kernel headers, newest first.
      type: dict
    apt_sources: {description: "Enabled apt sources, with the file that names them.", type: list, elements: dict}
    apt_origins: {description: Origin of each index in apt's lists., type: dict}
    yum_repositories:
      description: Enabled repositories of C(/etc/yum.repos.d), with the file that names them.
      type: list
      elements: dict
      version_added: 0.2.0
    module_stream:
      description: Stream of NVIDIA's module C(nvidia-driver) that dnf has enabled, or nothing.
      type: str
      sample: 580-open
      version_added: 0.2.0
    processes:
      description: >-
        Processes that have a GPU open, each with C(pid), C(user) and C(program); the persistence daemon and DCGM are none.
      type: list
      elements: dict
    own_files:
      description:
        - What the files of the role P(openlab.research_server.nvidia#role) for apt, dnf and systemd hold, by path. One that still
          has the name of before is told by that of today.
      type: dict
    former_keys:
      description: Keyrings of apt with NVIDIA's former key 7fa2af80, each with C(path) and C(alone) (it holds no other key).
      type: list
      elements: dict
    former_files:
      description: Files of the role P(openlab.research_server.nvidia#role) that still have the names of its first versions.
      type: list
      elements: str
    system:
      description: >-
        C(id), C(version), C(codename) (of os-release), C(manager) of packages (V(apt) or V(dnf)), C(machine), C(kernel) (of
        uname), C(initramfs), the tool that builds initial RAM file systems (V(update-initramfs), V(dracut) or none), and
        C(initramfs_outdated), whether one is
        older than C(/etc/modprobe.d/research-server-nvidia.conf).
      type: dict
"""

import os
import re
import typing as t
from collections.abc import Callable
from pathlib import Path

from ..module_utils._host import dpkg
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.runner import RefusedError, Runner
from ..module_utils._nvidia import apt_sources, dnf
from ..module_utils._nvidia import pci as nvidia_pci
from ..module_utils._nvidia import state as nvidia_state
from ..module_utils._nvidia.former_keys import read_former_keys
from ..module_utils._nvidia.kernels import read_dkms, read_kernels
from ..module_utils._nvidia.reading import read_gpus, read_loaded, read_pci, read_userland, text
from ..module_utils._nvidia.signatures import read_secure_boot, refused
from ..module_utils._nvidia.users import read_users

# What NVIDIA's own installer (a .run file) leaves behind.
UNINSTALLER = "usr/bin/nvidia-uninstall"

# What the role writes for the kernel to read early, and the files that have to hold it.
EARLY_SETTINGS = "etc/modprobe.d/research-server-nvidia.conf"
OWN_FILES = (
    "etc/apt/preferences.d/research-server-nvidia",
    "etc/apt/sources.list.d/research-server-nvidia.sources",
    "etc/dnf/plugins/versionlock.list",
    "etc/yum.repos.d/research-server-nvidia.repo",
    "etc/systemd/system/research-server-dcgm-exporter.service",
    "etc/systemd/system/research-server-nvidia-settings.service",
)
FORMER_FILES = (
    "etc/apt/keyrings/openlab-nvidia.*",
    "etc/apt/preferences.d/openlab-nvidia",
    "etc/apt/sources.list.d/openlab-nvidia.sources",
    "etc/modprobe.d/openlab-nvidia.conf",
    "etc/modules-load.d/openlab-nvidia.conf",
)
INITRAMFS = ("boot/initrd.img-*", "boot/initramfs-*.img")
# Those of the RHEL family's rescue system and of kdump are made once, and for a kernel of their own.
NOT_REBUILT = re.compile(r"initramfs-0-rescue-|kdump\.img$")
INITRAMFS_TOOLS = ("update-initramfs", "dracut")


# What dnf remembers of the stream that was chosen of NVIDIA's module.
MODULE_STATE = "etc/dnf/modules.d/nvidia-driver.module"

Ask = Callable[..., str]


class Folders(t.NamedTuple):
    """Where a host is looked at."""

    root: Path
    sysfs: Path
    procfs: Path


def read_sources(root: Path, ignored: list[str]) -> list[dict[str, t.Any]]:
    """Enabled apt sources, each with its file."""
    folder = root / "etc/apt"
    sources = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        parse = {".list": apt_sources.parse_list, ".sources": apt_sources.parse_sources}.get(path.suffix)
        if parse is not None and str(path) not in ignored:
            sources += [{**source, "file": str(path)} for source in parse(text(path))]
    return sources


def read_repositories(root: Path, ignored: list[str]) -> list[dict[str, t.Any]]:
    """Enabled repositories of dnf, each with its file."""
    paths = [path for path in sorted((root / "etc/yum.repos.d").glob("*.repo")) if str(path) not in ignored]
    return [{**repository, "file": str(path)} for path in paths for repository in dnf.repositories(text(path))]


def read_origins(lists: Path) -> dict[str, str]:
    """The C(Origin) of each index that apt holds."""
    origins = {}
    for path in sorted(lists.glob("*Release")):
        match = re.search(r"^Origin: (.+)$", text(path), re.MULTILINE)
        if match:
            origins[re.sub(r"_(In)?Release$", "", path.name)] = match.group(1).strip()
    return origins


def is_outdated(root: Path) -> bool:
    """Whether an initial RAM file system is older than the settings that it has to hold: an interrupted run leaves it so."""
    settings = root / EARLY_SETTINGS
    if not settings.is_file():
        return False
    images = (image for pattern in INITRAMFS for image in root.glob(pattern) if not NOT_REBUILT.search(image.name))
    return any(image.stat().st_mtime < settings.stat().st_mtime for image in images)


def read_system(root: Path, procfs: Path) -> dict[str, t.Any]:
    release = text(root / "etc/os-release") or text(root / "usr/lib/os-release")
    fields = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", release, re.MULTILINE))
    uname = os.uname()
    return {
        "id": fields.get("ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
        "manager": "dnf" if "rhel" in (fields.get("ID"), *fields.get("ID_LIKE", "").split()) else "apt",
        "machine": uname.machine,
        "kernel": text(procfs / "sys/kernel/osrelease").strip() or uname.release,
        "initramfs": next((name for name in INITRAMFS_TOOLS if (root / "usr/sbin" / name).exists()), ""),
        "initramfs_outdated": is_outdated(root),
    }


def read_packages(root: Path, manager: str, ask: Ask, *, available: bool) -> dict[str, t.Any]:
    """What is installed, and what can be had."""
    if manager == "dnf":
        return {
            "packages": dnf.installed(ask(*dnf.INSTALLED)),
            "available": dnf.packages(ask(*dnf.OFFERED)) if available else {},
        }
    lists = sorted((root / "var/lib/apt/lists").glob("*_Packages"))
    return {
        "packages": nvidia_state.installed_packages(text(root / dpkg.STATUS.lstrip("/"))),
        "available": nvidia_state.available_versions(map(text, lists)) if available else {},
    }


def read(folders: Folders, ask: Ask, *, ignored: list[str], available: bool, processes: bool = False) -> dict[str, t.Any]:
    """Everything that RETURN describes. `ask` runs a program, and returns what it says."""
    root, sysfs, procfs = folders
    functions = list(read_pci(sysfs))
    gpus = nvidia_pci.describe(functions)
    system = read_system(root, procfs)
    kernels = read_kernels(root, system["kernel"])
    loaded = read_loaded(sysfs, procfs)
    userland = read_userland(root)
    cuda = read_gpus(root, sysfs, procfs).offer.cuda
    nouveau = (sysfs / "module/nouveau").is_dir()
    secure_boot = read_secure_boot(root, sysfs)
    return {
        "gpus": gpus,
        "driver": {"loaded": loaded, "userland": userland, "unpackaged": (root / UNINSTALLER).exists(), "cuda": cuda},
        "nvswitches": [function["address"] for function in functions if nvidia_pci.is_switch(function)],
        "nouveau": nouveau,
        "kernels": kernels,
        "dkms": read_dkms(root),
        "health": nvidia_state.assess(
            loaded=loaded, userland=userland, kernels=kernels, nouveau=nouveau, refused=refused(secure_boot)
        ),
        "secure_boot": secure_boot,
        **read_packages(root, system["manager"], ask, available=available),
        "apt_sources": read_sources(root, ignored),
        "apt_origins": read_origins(root / "var/lib/apt/lists"),
        "yum_repositories": read_repositories(root, ignored),
        "module_stream": dnf.enabled_stream(text(root / MODULE_STATE)),
        "processes": read_users(procfs) if processes else [],
        "own_files": own_files(root),
        "former_keys": read_former_keys(root),
        "former_files": sorted(f"/{path.relative_to(root)}" for pattern in FORMER_FILES for path in root.glob(pattern)),
        "system": system,
    }


def own_files(root: Path) -> dict[str, str]:
    """By the names of today, also where a file still has that of before."""
    found = {}
    for name in OWN_FILES:
        places = (root / name, root / name.replace("/research-server-nvidia", "/openlab-nvidia"))
        if place := next(filter(Path.is_file, places), None):
            found[f"/{name}"] = text(place)
    return found


def run(module: Module) -> dict[str, t.Any]:
    params = module.params
    sysfs = Path(params["sysfs_root"])
    if not (sysfs / "bus").is_dir():
        raise RefusedError(f"sysfs_root: found no folder {sysfs / 'bus'}; expected a mounted sysfs")
    info = read(
        Folders(Path(params["root"]), sysfs, Path("/proc")),
        Runner(module).run,
        ignored=params["ignore_sources"],
        available=params["available"],
        processes=params["processes"],
    )
    return {"changed": False, "info": info}


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "sysfs_root": {"type": "path", "default": "/sys"},
            "available": {"type": "bool", "default": False},
            "processes": {"type": "bool", "default": False},
            "ignore_sources": {"type": "list", "elements": "path", "default": []},
            "wishes": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
