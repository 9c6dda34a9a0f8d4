# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host is and what is wanted to the driver it should have. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ...module_utils._nvidia.apt_sources import extend
from ...module_utils._nvidia.pci import own
from ...module_utils._nvidia.state import branch, lacks_module
from ...module_utils._text.escapes import listing
from . import streams
from .demands import apart, choose_branch, choose_flavour, conflicts
from .legacy import leftovers
from .managers import APT, DNF, parts
from .obstacles import obstacles
from .offers import CONTAINER_TOOLKIT, DCGM_EXPORTER, OFFERS, Offer
from .wishes import Wishes, urls

# Tool -> command that rebuilds the initial RAM file systems of all kernels.
INITRAMFS = {"update-initramfs": "update-initramfs -u -k all", "dracut": "dracut --regenerate-all --force"}

# From this branch on NVIDIA's packages follow the newest driver, unless a package of its repository pins a branch. Only one of
# those can be installed, as they conflict; its priority is 1000, so that this role's hold of a version prevails, and agrees.
# Source, read in November 2026: NVIDIA's Driver Installation Guide, "Version locking packages for Ubuntu / Debian".
PINNED_BY_PACKAGE = 590
PINNING = "nvidia-driver-pinning-"

FABRIC_MANAGER = re.compile(r"nvidia-fabricmanager(?:-\d+)?")


def matches(found: str, version: str) -> bool:
    """Whether a package version is the wanted one: a branch, an upstream version or a package version; any for none."""
    plain = found.split(":", 1)[-1]
    return not version or plain == version or plain.startswith((f"{version}.", f"{version}-"))


def newest(available: Mapping[str, Sequence[str]], name: str, version: str) -> str:
    """What is offered of a package for a wish; empty where nothing is."""
    return next((found for found in available.get(name, []) if matches(found, version)), "")


def plan(info: Mapping[str, t.Any], wishes: Wishes) -> dict[str, t.Any]:
    """Plan a host's driver from what nvidia_info returned and what the role's variables wish.

    With C(problems), nothing may be changed; without C(apply) there is nothing to do. C(missing) are the packages to
    install, C(unavailable) those among them that no package list offers, C(held) the version to hold (empty: not known yet).
    """
    gpus = own(info["gpus"])
    result: dict[str, t.Any] = {"apply": False, "problems": [], "summary": ""}
    if not gpus:
        found = f"{len(info['gpus'])} NVIDIA GPU(s), all lent to guests" if info["gpus"] else "no NVIDIA GPU"
        result["summary"] = f"found {found} on the PCI bus: nothing to do"
        if wishes["required"]:
            result["problems"] = [
                f"nvidia_required is true, but found {found} on the PCI bus; expected at least one display controller "
                "of vendor 10de; check the card, the firmware's setup and the passthrough of a virtual machine"
            ]
        return result

    system = info["system"]
    offer = OFFERS.get((wishes["source"], system["id"], system["version"].split(".")[0]))
    if offer is None or system["machine"] not in offer.headers:
        result["problems"] = [
            f"no driver packages are known for nvidia_source: {wishes['source']} on {system['id']} {system['version']}, "
            f"{system['machine']}; expected one of: {'; '.join(' '.join(known) for known in OFFERS)}"
        ]
        return result

    wanted = choose_branch(gpus, offer, wishes["version"])
    flavour = choose_flavour(gpus, wanted) if wishes["module_flavour"] == "auto" else wishes["module_flavour"]
    # NVIDIA's repository has many branches: there the last one that drives these GPUs is the wish where none is given.
    version = wishes["version"] or (str(wanted) if offer.branch is None and wanted else "")
    driver = [name % wanted if "%s" in name else name for name in offer.packages[flavour]]
    others = [*wanted_headers(info, offer, wishes["kernel_headers"]), *offer.companions]
    if wishes["cuda_toolkit"]:
        others.append(wishes["cuda_toolkit_package"] or offer.toolkit)
    if wishes["container_toolkit"]:
        others.append(CONTAINER_TOOLKIT)
    if wishes["dcgm_exporter"]:
        others.append(DCGM_EXPORTER)
    others += [f"cuda-toolkit-{version.replace('.', '-')}" for version in wishes["cuda_toolkits"]]

    manager, installed, available = offer.manager, info["packages"], info["available"]
    current = next((installed[name] for names in offer.packages.values() for name in names if name in installed), "")
    old = [name for name in driver if name not in installed or not matches(installed[name], version)]
    absent = [name for name in others if name not in installed]
    candidate = newest(available, driver[0], version)
    held = candidate if driver[0] in old and candidate else installed.get(driver[0], "")
    unavailable = [f"{name} {version}".strip() for name in old if not newest(available, name, version)]
    left = list(leftovers(info, *urls(wishes)))
    # A part that is merely missing is added under whoever computes.
    upgrade = bool(current) and (driver[0] in old or any(name in installed for name in old))
    deferred = upgrade and info["processes"] and not wishes["upgrade_in_use"]
    if deferred:
        held, old = current, []
    pinning = pinning_package(offer, installed, branch(held) or wanted)
    absent += [name for name in pinning if name not in installed]
    result.update(
        apply=True,
        addresses=[gpu["address"] for gpu in gpus],
        problems=[*(apart(gpus) or conflicts(gpus, flavour, wanted)), *obstacles(gpus, info, wishes, manager)],
        summary=summarise(gpus, info, flavour),
        flavour=flavour,
        branch=wanted,
        manager=manager.name,
        headers=manager.headers % system["kernel"],
        missing=[*absent, *(manager.one(name, version, newest(available, name, upstream(held) or version)) for name in old)],
        unavailable=[*(name for name in absent if name not in available), *unavailable],
        upgrade=upgrade,
        current=upstream(current),
        way_back=manager.back(parts(installed), [*pinning, *old]) if upgrade else [],
        deferred=in_use(info["processes"], version, upstream(current)) if deferred else "",
        held=upstream(held) if driver[0] not in old or candidate else "",
        sources=[],
        load=info["health"]["loadable"],
        reboot=info["health"]["reboot_required"],
        reload=info["health"]["reloadable"],
        initramfs=INITRAMFS.get(info["system"]["initramfs"], ""),
        rebuild=info["system"]["initramfs_outdated"],
        build=to_build(info),
        clean=[file.path for file in left if file.removable] if wishes["clean_legacy"] else [],
        uninstall=info["driver"]["unpackaged"] and wishes["clean_legacy"],
        notices=[
            *info["health"]["disagreements"],
            *info["health"]["next_boot"],
            *fabric(info, upstream(held)),
            *(file.told for file in left if not (file.removable and wishes["clean_legacy"])),
        ],
    )
    if deferred:
        result["notices"].append(result["deferred"])
    if manager is DNF:
        result["lock"] = streams.lock(result["held"])
        result["stream"] = info["module_stream"] if deferred else streams.stream(flavour, wanted)
        result["switch"] = result["stream"] != info["module_stream"]
    if offer.components:
        result["sources"] = extend(
            info["apt_sources"],
            distribution=system["id"],
            codename=system["codename"],
            components=offer.components,
            origins=info["apt_origins"],
        )
    return result


def driver_to_be(info: Mapping[str, t.Any], system: tuple[str, str], source: str, version: str) -> str:
    """Version or branch of the driver that a host with a GPU has after the role; empty if the newest of many, or none is known.

    `system` is distribution and major version.
    """
    loaded = info["driver"]["loaded"]
    installed = next(iter(info["driver"]["userland"]), loaded["version"] if loaded else "")
    if version:
        return installed if installed and matches(installed, version) else version
    offer = OFFERS.get((source, *system))
    return installed or (str(offer.branch) if offer and offer.branch else "")


def pinning_package(offer: Offer, installed: Iterable[str], number: int | None) -> list[str]:
    """NVIDIA's own pin of a branch for apt; of an older branch only where there is one of another already."""
    if offer.branch is not None or offer.manager is not APT or number is None:
        return []
    return [f"{PINNING}{number}"] if number >= PINNED_BY_PACKAGE or any(name.startswith(PINNING) for name in installed) else []


def upstream(version: str) -> str:
    """C(535.261.03) of C(1:535.261.03-1)."""
    return version.split(":", 1)[-1].split("-", 1)[0]


def fabric(info: Mapping[str, t.Any], driver: str) -> list[str]:
    """What the GPUs behind NVSwitches lack, once there is a driver (NVIDIA, "Fabric Manager User Guide")."""
    manager = {name: upstream(found) for name, found in info["packages"].items() if FABRIC_MANAGER.fullmatch(name)}
    if not (info["nvswitches"] and info["driver"]["userland"]) or driver in manager.values():
        return []
    found = ", ".join(f"{name} {version}" for name, version in manager.items()) or "none"
    return [
        f"{len(info['nvswitches'])} NVSwitch(es) need nvidia-fabricmanager of precisely the driver's version"
        f"{f', {driver}' if driver else ''}; found {found}. Without it no program starts on the GPUs (CUDA error 802): install "
        "it from NVIDIA's repository, and enable nvidia-fabricmanager.service"
    ]


def in_use(processes: Sequence[Mapping[str, t.Any]], version: str, current: str) -> str:
    """Why a driver is not replaced."""
    users = [f"{process['program']} of {process['user']} ({process['pid']})" for process in processes]
    return (
        f"driver {version or 'of another kind'} is put off, and {current} stays: the GPUs are used by {listing(users, 10)}; run "
        "again when they have ended, or set nvidia_upgrade_in_use: true, and whatever starts afterwards fails until the next boot"
    )


def wanted_headers(info: Mapping[str, t.Any], offer: Offer, wish: str) -> list[str]:
    """Header packages: of the running kernel where its headers are not there already, and the one for future kernels."""
    manager, running = offer.manager, info["system"]["kernel"]
    meta = offer.headers[info["system"]["machine"]]
    there = any(kernel["running"] and kernel["headers"] for kernel in info["kernels"])
    own = [] if there else [manager.headers % running]
    # The package that follows the newest kernel brings these; where it is there, and they are not, somebody has removed them.
    following = [
        manager.headers % kernel["release"]
        for kernel in info["kernels"]
        if kernel["next"]
        and not kernel["running"]
        and not kernel["headers"]
        and lacks_module(kernel)
        and meta in info["packages"]
    ]
    beside = meta if meta in info["packages"] else manager.following(meta, running)
    return {"running": [*own, *following, beside], "distribution": [*following, meta], "none": []}[wish]


def to_build(info: Mapping[str, t.Any]) -> list[list[str]]:
    """What DKMS has to build, and for which kernel: for the one that boots next, where it has no module."""
    lacking = [kernel["release"] for kernel in info["kernels"] if kernel["next"] and kernel["headers"] and lacks_module(kernel)]
    versions = info["driver"]["userland"]
    return [[module, kernel] for kernel in lacking for module in info["dkms"] if module.rpartition("/")[2] in versions]


def summarise(gpus: Sequence[Mapping[str, t.Any]], info: Mapping[str, t.Any], flavour: str) -> str:
    """One line for people: GPUs, driver, and what is missing."""
    kinds = sorted({gpu["architecture"] for gpu in gpus})
    text = f"{len(gpus)} NVIDIA GPU(s), {', '.join(kinds)}: "
    driver, health = info["driver"], info["health"]
    if driver["loaded"]:
        text += f"driver {driver['loaded']['version']} ({driver['loaded']['flavour']}) is loaded"
    elif driver["userland"]:
        text += f"driver {', '.join(driver['userland'])} is installed, not loaded"
    else:
        text += f"no driver is installed; the {flavour} kernel modules fit"
    notes = [*health["disagreements"], *health["next_boot"]]
    if health["reboot_required"]:
        notes.append(f"reboot required: {', '.join(health['reboot_reasons'])}")
    return "; ".join([text, *notes])
