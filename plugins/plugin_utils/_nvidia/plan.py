# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host is and what is wanted to the driver it should have. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ...module_utils._nvidia.apt_sources import extend
from ...module_utils._nvidia.pci import ARCHITECTURES, UNKNOWN, Architecture, own
from ...module_utils._nvidia.signatures import refused
from ...module_utils._nvidia.state import branch, lacks_module, version_key
from ...module_utils._text.escapes import listing
from .legacy import leftovers, same

# The first branch in which NVIDIA itself installs the open modules where the GPU can use them.
OPEN_BY_DEFAULT = 560
# Tool -> command that rebuilds the initial RAM file systems of all kernels.
INITRAMFS = {"update-initramfs": "update-initramfs -u -k all", "dracut": "dracut --regenerate-all --force"}


class Offer(t.NamedTuple):
    """A driver that can be installed: the compute part, without X. C(%s) in a name is the branch."""

    branch: int | None  # None: whatever the repository has
    components: tuple[str, ...]  # of the distribution's archive
    packages: Mapping[str, tuple[str, ...]]  # flavour -> packages that carry the driver's version, the kernel part first
    companions: tuple[str, ...]  # packages with versions of their own
    headers: Mapping[str, str]  # architecture -> package that follows the distribution's newest kernel
    toolkit: str


DEBIAN_HEADERS = {"x86_64": "linux-headers-amd64", "aarch64": "linux-headers-arm64"}
UBUNTU_HEADERS = {"x86_64": "linux-headers-generic", "aarch64": "linux-headers-generic"}
DEBIAN_USERLAND = ("libcuda1", "nvidia-smi", "libnvidia-cfg1", "libnvidia-nvvm4", "libnvcuvid1", "libnvidia-encode1")
DEBIAN_PACKAGES = {
    "proprietary": ("nvidia-kernel-dkms", *DEBIAN_USERLAND),
    "open": ("nvidia-open-kernel-dkms", *DEBIAN_USERLAND),
}
UBUNTU_PACKAGES = {
    "proprietary": ("nvidia-headless-%s-server", "nvidia-utils-%s-server"),
    "open": ("nvidia-headless-%s-server-open", "nvidia-utils-%s-server"),
}
# Names of NVIDIA's Driver Installation Guide, "compute-only".
NVIDIA_PACKAGES = {
    "proprietary": ("nvidia-kernel-dkms", "nvidia-driver-cuda"),
    "open": ("nvidia-kernel-open-dkms", "nvidia-driver-cuda"),
}
DEBIAN_COMPONENTS = ("contrib", "non-free", "non-free-firmware")
UBUNTU_COMPONENTS = ("restricted", "multiverse")
PERSISTENCED = ("nvidia-persistenced",)
TOOLKIT = "nvidia-cuda-toolkit"
CONTAINER_TOOLKIT = "nvidia-container-toolkit"
# Source, read in November 2026: NVIDIA, "Install DCGM Exporter", and NVIDIA/dcgm-exporter, packaging/ and pkg/cmd/app.go.
DCGM_EXPORTER = "datacenter-gpu-manager-exporter"
# The first that keeps the list of GPUs for containers up to date (its CHANGELOG.md: nvidia-cdi-refresh).
CONTAINER_TOOLKIT_FIRST = (1, 18)


def debian(number: int) -> Offer:
    return Offer(number, DEBIAN_COMPONENTS, DEBIAN_PACKAGES, PERSISTENCED, DEBIAN_HEADERS, TOOLKIT)


UBUNTU = Offer(580, UBUNTU_COMPONENTS, UBUNTU_PACKAGES, (), UBUNTU_HEADERS, TOOLKIT)
NVIDIA = Offer(None, (), NVIDIA_PACKAGES, PERSISTENCED, DEBIAN_HEADERS, "cuda-toolkit")

# Neither Debian nor NVIDIA has an older branch for these releases.
OLDEST = 525

# From this branch on NVIDIA's packages follow the newest driver, unless a package of its repository pins a branch. Only one of
# those can be installed, as they conflict; its priority is 1000, so that this role's hold of a version prevails, and agrees.
# Source, read in November 2026: NVIDIA's Driver Installation Guide, "Version locking packages for Ubuntu / Debian".
PINNED_BY_PACKAGE = 590
PINNING = "nvidia-driver-pinning-"

FABRIC_MANAGER = re.compile(r"nvidia-fabricmanager(?:-\d+)?")
# Parts of a driver among installed packages; what else NVIDIA's repositories have goes its own way.
DRIVER = re.compile(
    r"nvidia-(?!cuda-|container|docker)|libnvidia-(?!container)|libcuda1$|libcudadebugger1$|libnvcuvid1$|libnvoptix1$|firmware-nvidia-"
    r"|xserver-xorg-video-nvidia"
)

# (source, distribution, major version) -> offer.
OFFERS: dict[tuple[str, str, str], Offer] = {
    ("distribution", "debian", "12"): debian(535),
    ("distribution", "debian", "13"): debian(550),
    ("distribution", "ubuntu", "22"): UBUNTU,
    ("distribution", "ubuntu", "24"): UBUNTU,
    ("nvidia", "debian", "12"): NVIDIA,
    ("nvidia", "debian", "13"): NVIDIA,
}

SECURE_BOOT_STEPS = """\
Secure Boot is enabled, and the key that would sign the driver's module ({key}) is not enrolled: the kernel would refuse
the module. Nothing has been changed. Either switch Secure Boot off in the firmware's setup, or enroll a key of this host:
    apt-get install mokutil openssl
    install -d -m 0755 /var/lib/dkms
    openssl req -new -x509 -newkey rsa:2048 -nodes -days 36500 -subj '/CN=DKMS module signing key/' -outform DER \\
        -keyout /var/lib/dkms/mok.key -out /var/lib/dkms/mok.pub && chmod 0600 /var/lib/dkms/mok.key
      (leave this out where both files exist)
    mokutil --import /var/lib/dkms/mok.pub     (asks for a password that is needed once)
    systemctl reboot
  then on the machine's console, in the blue screen 'MOK management' that waits a few seconds only:
    Enroll MOK > Continue > Yes > the password > Reboot
  and run the play again."""
SIGNATURE_STEPS = """\
The kernel takes signed modules only, though Secure Boot, by which it would trust a key of this host, is not on: it would
refuse the driver's module. Nothing has been changed. Either take what asks for that off the kernel's command line
(module.sig_enforce or lockdown: see /proc/cmdline, GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and a reboot),
or switch Secure Boot on in the firmware's setup. Then run the play again; with Secure Boot it tells how a key is enrolled."""


class Wishes(t.TypedDict):
    """The role's variables that decide, without their prefix."""

    required: bool
    source: str
    module_flavour: str
    version: str
    repository_url: str
    kernel_headers: str
    cuda_toolkit: bool
    cuda_toolkit_package: str
    cuda_toolkits: list[str]
    container_toolkit: bool
    container_toolkit_url: str
    dcgm_exporter: bool
    upgrade_in_use: bool
    clean_legacy: bool


def named(gpu: Mapping[str, t.Any]) -> str:
    return f"GPU {gpu['address']} (10de:{gpu['device_id']}, {gpu['architecture']})"


def apart(gpus: Iterable[Mapping[str, t.Any]]) -> list[str]:
    """Say that no driver at all serves these GPUs together."""
    needs = {gpu["architecture"]: ARCHITECTURES[gpu["architecture"]] for gpu in gpus if gpu["architecture"] in ARCHITECTURES}
    first = max((need.first_branch for need in needs.values()), default=0)
    last = min((need.last_branch for need in needs.values() if need.last_branch is not None), default=first)
    one_kind = all(need.open for need in needs.values()) or all(need.proprietary for need in needs.values())
    if one_kind and first <= last:
        return []
    each = [f"{named(gpu)} needs {_needed(needs[gpu['architecture']])}" for gpu in gpus if gpu["architecture"] in needs]
    return [
        f"no driver serves all GPUs of this host together: {'; '.join(each)}; move GPUs of one kind to another host, or lend "
        "them to a guest (vfio-pci)"
    ]


def _needed(need: Architecture) -> str:
    kind = "either kind of" if need.open and need.proprietary else "open" if need.open else "proprietary"
    until = f" to {need.last_branch}" if need.last_branch else " or newer"
    return f"{kind} kernel modules of branch {need.first_branch}{until}"


def conflicts(gpus: Iterable[Mapping[str, t.Any]], flavour: str, wanted: int | None) -> list[str]:
    """Say which GPUs the open or proprietary modules of a branch cannot drive."""
    problems = []
    for gpu in gpus:
        needs = ARCHITECTURES.get(gpu["architecture"])
        if needs is None:
            continue
        what = named(gpu)
        if not (needs.open if flavour == "open" else needs.proprietary):
            other = "proprietary" if flavour == "open" else "open"
            problems.append(f"{what} is not driven by the {flavour} kernel modules; set nvidia_module_flavour: {other}")
        if wanted is not None and wanted < needs.first_branch:
            problems.append(
                f"{what} needs driver branch {needs.first_branch} or newer, found {wanted}; "
                f"take a newer driver: nvidia_source: nvidia, or another nvidia_version"
            )
        if wanted is not None and needs.last_branch is not None and wanted > needs.last_branch:
            way_out = f"set nvidia_version to a version of a branch up to {needs.last_branch}"
            if needs.last_branch < OLDEST:
                way_out = "no source of drivers has one that old; take the GPU out, or the host out of the group nvidia"
            problems.append(f"{what} is driven by branch {needs.last_branch} at most, found {wanted}; {way_out}")
    return problems


def choose_flavour(gpus: Sequence[Mapping[str, t.Any]], wanted: int | None) -> str:
    """Open where a GPU needs it, proprietary where one needs that, else what NVIDIA installs by default in the branch."""
    needs = [ARCHITECTURES[gpu["architecture"]] for gpu in gpus if gpu["architecture"] in ARCHITECTURES]
    if any(not need.open for need in needs):
        return "proprietary"
    if any(not need.proprietary for need in needs):
        return "open"
    return "open" if wanted is None or wanted >= OPEN_BY_DEFAULT else "proprietary"


def choose_branch(gpus: Sequence[Mapping[str, t.Any]], offer: Offer, version: str) -> int | None:
    """The branch that is wanted, else the distribution's, else the last that drives all GPUs (None: the newest)."""
    if version:
        return branch(version)
    if offer.branch is not None:
        return offer.branch
    last = [ARCHITECTURES[gpu["architecture"]].last_branch for gpu in gpus if gpu["architecture"] in ARCHITECTURES]
    oldest = min((number for number in last if number is not None), default=None)
    return oldest and max(oldest, OLDEST)


def matches(found: str, version: str) -> bool:
    """Whether a package version is the wanted one: a branch, an upstream version or a package version; any for none."""
    plain = found.split(":", 1)[-1]
    return not version or plain == version or plain.startswith((f"{version}.", f"{version}-"))


def plan(info: Mapping[str, t.Any], wishes: Wishes) -> dict[str, t.Any]:
    """Plan a host's driver from what nvidia_info returned and what the role's variables wish.

    With C(problems), nothing may be changed; without C(apply) there is nothing to do. C(missing) are the packages to
    install, C(unavailable) those among them that apt's lists do not offer, C(held) the version to hold (empty: not known yet).
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

    installed, available = info["packages"], info["available"]
    current = next((installed[name] for names in offer.packages.values() for name in names if name in installed), "")
    old = [name for name in driver if name not in installed or not matches(installed[name], version)]
    absent = [name for name in others if name not in installed]
    candidates = [found for found in available.get(driver[0], []) if matches(found, version)]
    held = candidates[0] if driver[0] in old and candidates else installed.get(driver[0], "")
    unavailable = [
        f"{name} {version}".strip() for name in old if not any(matches(found, version) for found in available.get(name, []))
    ]
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
        problems=[*(apart(gpus) or conflicts(gpus, flavour, wanted)), *obstacles(gpus, info, wishes)],
        summary=summarise(gpus, info, flavour),
        flavour=flavour,
        branch=wanted,
        missing=[*absent, *(f"{name}={version}*" if version else name for name in old)],
        unavailable=[*(name for name in absent if name not in available), *unavailable],
        upgrade=upgrade,
        current=upstream(current),
        way_back=way_back(installed, [*pinning, *old]) if upgrade else [],
        deferred=in_use(info["processes"], version, upstream(current)) if deferred else "",
        held=upstream(held) if driver[0] not in old or candidates else "",
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
    if offer.components:
        result["sources"] = extend(
            info["apt_sources"],
            distribution=system["id"],
            codename=system["codename"],
            components=offer.components,
            origins=info["apt_origins"],
        )
    return result


def urls(wishes: Wishes) -> list[str]:
    """Repositories that this role names itself."""
    return [wishes["repository_url"], *([wishes["container_toolkit_url"]] if wishes["container_toolkit"] else [])]


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
    """NVIDIA's own pin of a branch; of an older branch only where there is one of another already."""
    if offer.branch is not None or number is None:
        return []
    return [f"{PINNING}{number}"] if number >= PINNED_BY_PACKAGE or any(name.startswith(PINNING) for name in installed) else []


def upstream(version: str) -> str:
    """C(535.261.03) of C(1:535.261.03-1)."""
    return version.split(":", 1)[-1].split("-", 1)[0]


def way_back(installed: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    """What apt-get has to install, and to remove, for the driver that is there now."""
    parts = {name: found for name, found in installed.items() if DRIVER.match(name)}
    return [f"{name}={found}" for name, found in parts.items()] + [f"{name}-" for name in wanted if name not in parts]


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
    meta = offer.headers[info["system"]["machine"]]
    there = any(kernel["running"] and kernel["headers"] for kernel in info["kernels"])
    own = [] if there else [f"linux-headers-{info['system']['kernel']}"]
    # The package that follows the newest kernel brings these; where it is there, and they are not, somebody has removed them.
    following = [
        f"linux-headers-{kernel['release']}"
        for kernel in info["kernels"]
        if kernel["next"]
        and not kernel["running"]
        and not kernel["headers"]
        and lacks_module(kernel)
        and meta in info["packages"]
    ]
    return {"running": [*own, *following, meta], "distribution": [*following, meta], "none": []}[wish]


def to_build(info: Mapping[str, t.Any]) -> list[list[str]]:
    """What DKMS has to build, and for which kernel: for the one that boots next, where it has no module."""
    lacking = [kernel["release"] for kernel in info["kernels"] if kernel["next"] and kernel["headers"] and lacks_module(kernel)]
    versions = info["driver"]["userland"]
    return [[module, kernel] for kernel in lacking for module in info["dkms"] if module.rpartition("/")[2] in versions]


def obstacles(gpus: Iterable[Mapping[str, t.Any]], info: Mapping[str, t.Any], wishes: Wishes) -> list[str]:
    """What would make the installation fail or do harm, whatever the packages are."""
    problems = [
        f"{named(gpu)} has fallen off the bus: it answers nothing; the kernel's log says more "
        "(journalctl -k -g 'Xid|fallen off'); look at its power, its cooling and its slot, and power the machine off and on"
        for gpu in gpus
        if gpu["lost"]
    ]
    problems += [
        f"GPU {gpu['address']} (10de:{gpu['device_id']}) is of a generation that this collection does not know; look up what "
        "it needs in NVIDIA's Driver Installation Guide, and set nvidia_module_flavour and nvidia_version"
        for gpu in gpus
        if gpu["architecture"] == UNKNOWN and (wishes["module_flavour"] == "auto" or not wishes["version"])
    ]
    stays = {file.path for file in leftovers(info, *urls(wishes)) if not (file.removable and wishes["clean_legacy"])}
    taken = [wishes["repository_url"]] * (wishes["source"] == "nvidia")
    taken += [wishes["container_toolkit_url"]] * wishes["container_toolkit"]
    problems += [
        f"{source['file']} names {url} already, and apt refuses a repository with two keys; remove that file, or set "
        "nvidia_clean_legacy: true"
        for url in taken
        for source in info["apt_sources"]
        if source["file"] in stays and any(same(uri, url) for uri in source["uris"])
    ]
    containers = info["packages"].get(CONTAINER_TOOLKIT, "")
    if wishes["container_toolkit"] and containers and version_key(containers) < CONTAINER_TOOLKIT_FIRST:
        problems.append(
            f"found {CONTAINER_TOOLKIT} {containers}; nvidia_container_toolkit expects 1.18 or newer, which lists the GPUs for "
            f"containers by itself: apt-get purge '{CONTAINER_TOOLKIT}*' 'libnvidia-container*', and run again"
        )
    if info["driver"]["unpackaged"] and not wishes["clean_legacy"]:
        problems.append(
            "found a driver of NVIDIA's own installer; packages would overwrite parts of it; run nvidia-uninstall on the host, "
            "or set nvidia_clean_legacy: true"
        )
    # A module that is loaded has proven that its signature is accepted.
    if refused(info["secure_boot"]) and not info["driver"]["loaded"]:
        steps = SECURE_BOOT_STEPS if info["secure_boot"]["state"] == "enabled" else SIGNATURE_STEPS
        problems.append(steps.format(key=info["secure_boot"]["key"] or "none exists yet"))
    return problems


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
