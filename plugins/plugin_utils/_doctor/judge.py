# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would stop site.yml on a host: facts in, findings out. Pure. Private to this collection."""

from __future__ import annotations

import datetime
import re
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ...module_utils._conda.installer import too_old
from ...module_utils._nvidia import cuda, signatures
from ...module_utils._ssh import port as ssh_port

OK, WARNING, ERROR = "ok", "warning", "error"
SEVERITIES = (OK, WARNING, ERROR)
GIB = 1024**3
PYTHON = (3, 9)
# Seconds. Certificates are refused with a clock that is hours off; logs cannot be compared with one that is seconds off.
CLOCK_WARNING, CLOCK_ERROR = 5, 300
MEMORY_WARNING, MEMORY_ERROR = 3.5 * GIB, 0.9 * GIB
INODES = 20_000
# What roles install on Debian and its family.
PACKAGES = {
    "firewall": ("nftables",),
    "fail2ban": ("fail2ban", "nftables", "python3-systemd"),
    "proxy": ("nginx", "openssl"),
}
# What may listen on sshd's port: itself, or systemd for it.
SSHD = re.compile(r"sshd of root|sshd?\.socket|research-server-sshd-.*\.socket")


class Finding(t.NamedTuple):
    """One line of the report."""

    topic: str
    severity: str
    found: str
    expected: str = ""
    do: str = ""


def ended(error: str, *, begun: bool) -> Finding:
    """What ended an examination."""
    if "sudo password" in error:
        return Finding("login", ERROR, error, "the administrator's", "give it with -K (--ask-become-pass)")
    return Finding("inside" if begun else "reachable", ERROR, error)


class Space(t.NamedTuple):
    """Free space that a role needs below a path, in GiB: with less it stops, with less than the other it may soon."""

    path: str
    error: float
    warning: float


class Wanted(t.NamedTuple):
    """What the inventory wants of a host."""

    roles: frozenset[str]
    sshd_port: int
    """The port that sshd shall have."""
    current_port: int
    """The port on which it was reached."""
    jupyter_ports: t.Mapping[int, str]
    """Whose JupyterLab shall have which."""
    prefix: str
    installer: str
    """Name of conda's installer."""
    installer_url: str


def size(number: float) -> str:
    """Bytes for a person."""
    return f"{number / GIB:.1f} GiB" if number >= GIB / 2 else f"{number / 1024**2:.0f} MiB"


def worst(findings: Iterable[Finding]) -> str:
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default=OK)


def space(roles: Collection[str], *, prefix: str, conda: bool, gpu_without_driver: bool) -> list[Space]:
    """Which file systems must have room for what; less where the role has been applied already."""
    needs = [Space("/", 0.2, 1), Space("/var", 0.2, 2), Space("/tmp", 0.1, 0.5)]  # noqa: S108
    if "miniconda" in roles or "conda_envs" in roles:
        # An environment is built beside the one before, so room for a new one is always needed.
        needs.append(Space(prefix, 1, 10) if conda else Space(prefix, 3, 15))
    if "nvidia" in roles and gpu_without_driver:
        needs += [Space("/usr", 3, 6), Space("/boot", 0.1, 0.3)]
    return needs


def judge(facts: Mapping[str, t.Any], wanted: Wanted, offset: float) -> list[Finding]:
    """All that the host itself tells. ``offset``: seconds that its clock is ahead of the controller's."""
    conda = facts["conda"]
    needs = space(
        wanted.roles,
        prefix=wanted.prefix,
        conda=bool(conda["installer"]),
        gpu_without_driver=facts.get("gpu_without_driver", False),
    )
    return [
        python(facts["python"]),
        memory(facts["memory"]["total"], facts["memory"]["available"], facts["processors"]),
        *disks(facts["disks"], needs),
        clock(offset),
        *packages(facts, wanted.roles),
        *network(facts["urls"], wanted, conda),
        *conda_prefix(conda, wanted),
        *ports(facts["ports"], wanted),
        *firewalls(facts["firewalls"], wanted),
        *matches(facts["sshd_matches"], wanted),
        *kept_port(facts.get("sshd_ports"), wanted),
    ]


def python(version: str) -> Finding:
    numbers = tuple(int(part) for part in version.split(".")[:2]) if version else (0,)
    if numbers >= PYTHON:
        return Finding("python", OK, version)
    least = ".".join(map(str, PYTHON))
    return Finding(
        "python", ERROR, version or "no python3", f"{least} or newer", "install python3 (bootstrap.yml does), or a newer release"
    )


def memory(total: int, available: int, processors: int) -> Finding:
    found = f"{size(total)}, {size(available)} available; {processors} processors"
    if total >= MEMORY_WARNING:
        return Finding("memory", OK, found)
    severity = WARNING if total >= MEMORY_ERROR else ERROR
    return Finding("memory", severity, found, "4 GiB or more", "conda needs it to solve environments; add memory")


def disks(found: Mapping[str, Mapping[str, t.Any]], needs: Iterable[Space]) -> Iterator[Finding]:
    """One finding for each file system; what shares one adds up."""
    by_device: dict[int, list[Space]] = {}
    for need in needs:
        by_device.setdefault(found[need.path]["device"], []).append(need)
    for shared in by_device.values():
        disk = found[shared[0].path]
        names = ", ".join(need.path for need in shared)
        error, warning = sum(need.error for need in shared), sum(need.warning for need in shared)
        free = disk["free"] / GIB
        told = f"{names}: {size(disk['free'])} of {size(disk['size'])} free"
        if disk["read_only"]:
            yield Finding("disk", ERROR, f"{names}: mounted read-only", "a file system to write to", "look at 'dmesg', repair it")
        elif disk["inodes"] is not None and disk["inodes"] < INODES:
            yield Finding("disk", ERROR, f"{names}: {disk['inodes']} inodes free", f"{INODES} or more", "remove small files")
        elif free < warning:
            severity = ERROR if free < error else WARNING
            yield Finding("disk", severity, told, f"{size((error if severity == ERROR else warning) * GIB)} or more", "make room")
        else:
            yield Finding("disk", OK, told)


def clock(offset: float) -> Finding:
    found = f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} the controller"
    if abs(offset) <= CLOCK_WARNING:
        return Finding("clock", OK, found)
    severity = WARNING if abs(offset) <= CLOCK_ERROR else ERROR
    return Finding(
        "clock", severity, found, f"at most {CLOCK_WARNING} s", "switch time synchronisation on (timedatectl set-ntp true)"
    )


def packages(facts: Mapping[str, t.Any], roles: Collection[str]) -> Iterator[Finding]:
    """The package manager. Where nothing has to be installed its troubles stop nobody."""
    dpkg = facts["dpkg"]
    missing = sorted(name for name, state in facts["packages"].items() if state == "missing")
    absent = sorted(name for name, state in facts["packages"].items() if state != "installed")
    if dpkg["interrupted"]:
        yield Finding(
            "packages",
            ERROR,
            f"dpkg was interrupted: {', '.join(dpkg['interrupted'][:5])}",
            "all packages configured",
            "dpkg --configure -a",
        )
    for holder in sorted(set(dpkg["locks"].values())):
        yield Finding(
            "packages", ERROR if absent else WARNING, f"apt is in use by {holder}", "a free lock", "wait until it has finished"
        )
    refused = {host: why for host, why in facts["sources"].items() if why}
    if refused:
        told = "; ".join(f"{host}: {why}" for host, why in sorted(refused.items()))
        yield Finding(
            "packages",
            ERROR if missing else WARNING,
            told,
            f"apt's sources answer{', to install ' + ', '.join(missing) if missing else ''}",
            "check network, proxy and /etc/apt",
        )
    if not (dpkg["interrupted"] or dpkg["locks"] or refused):
        yield Finding("packages", OK, f"apt can be used; to install: {', '.join(absent) or 'nothing'}")


def network(urls: Mapping[str, str], wanted: Wanted, conda: Mapping[str, t.Any]) -> Iterator[Finding]:
    """Where conda comes from. An installation that is there already does not need it today."""
    for url, why in urls.items():
        if not why:
            yield Finding("network", OK, f"{url} answers")
            continue
        there = conda["installer"] == wanted.installer and conda["complete"]
        hint = "check the version and the mirror" if url == wanted.installer_url and "HTTP" in why else "check network and proxy"
        yield Finding(
            "network", WARNING if there else ERROR, f"{url}: {why}", "an answer", f"{hint} (miniconda_* in the inventory)"
        )


def conda_prefix(conda: Mapping[str, t.Any], wanted: Wanted) -> Iterator[Finding]:
    if "miniconda" not in wanted.roles:
        return
    if conda["obstacle"] and conda["installer"] != wanted.installer:
        place, _semicolon, expected = conda["obstacle"].partition("; expected ")
        yield Finding(
            "conda",
            ERROR,
            f"{wanted.prefix}: {place}",
            expected,
            "move away what is in the way, mount what is missing, or set miniconda_prefix to another folder, such as one in it",
        )
    elif conda["kept"]:
        what = "a conda that is not ours" if conda["complete"] else "a damaged conda that is not ours"
        yield Finding(
            "conda",
            WARNING,
            f"{what} at {wanted.prefix}",
            "nothing, or our own",
            f"it will be kept at {conda['kept']}, without its environments, which stay; or set miniconda_prefix",
        )
    elif conda["installer"]:
        told = conda["installer"] if conda["installer"] == wanted.installer else f"{conda['installer']}, will be replaced"
        yield Finding("conda", OK, f"{wanted.prefix}: {told}")
    elif conda["exists"]:
        yield Finding("conda", OK, f"{wanted.prefix}: empty, or an installation that was interrupted; will be made")
    else:
        yield Finding("conda", OK, f"{wanted.prefix}: not there yet")


def conda_age(installer: str, today: datetime.date, months: int) -> Iterator[Finding]:
    """The judgement of the role miniconda, before it has been applied."""
    age = too_old(installer, today, months)
    if age:
        expected = f"a release of the last {months} (miniconda_age_notice)"
        yield Finding("conda", WARNING, f"{installer} is {age} months old", expected, "change miniconda_version")


def ports(listeners: Mapping[str, Sequence[str]], wanted: Wanted) -> Iterator[Finding]:
    taken = []
    for port, names in sorted(listeners.items(), key=lambda item: int(item[0])):
        own = int(port) == wanted.sshd_port
        person = wanted.jupyter_ports.get(int(port), "")
        others = [name for name in names if not SSHD.fullmatch(name)] if own else in_the_way_of(person, names)
        if others:
            variable, free = ("sshd_port", "sshd") if own else ("jupyter_ports", f"JupyterLab of {person}")
            taken.append(
                Finding(
                    "ports",
                    ERROR,
                    f"{', '.join(others)} listens on {port}",
                    f"a free port for {free}",
                    f"stop it, or choose another port with {variable}",
                )
            )
    yield from taken or [Finding("ports", OK, "no other program listens on the ports of sshd and JupyterLab")]


def in_the_way_of(person: str, names: Sequence[str]) -> list[str]:
    """Who keeps somebody's JupyterLab from its port: all but systemd for them, and what it has given the open door to."""
    door = f"jupyter@{person}.socket"
    return [name for name in names if name != door and not (door in names and name.endswith(f" of {person}"))]


def firewalls(names: Sequence[str], wanted: Wanted) -> Iterator[Finding]:
    moves = "sshd" in wanted.roles and wanted.current_port != wanted.sshd_port
    # The role refuses to be a second one.
    second = "firewall" in wanted.roles
    way_out = "switch {} off, or take the host out of the group firewall" if second else "open the port in {}, or switch it off"
    for name in names:
        yield Finding(
            "firewall",
            ERROR if moves or second else WARNING,
            f"{name} is switched on",
            f"port {wanted.sshd_port} open before sshd moves to it" if moves and not second else "one firewall",
            way_out.format(name),
        )


def matches(places: Sequence[str], wanted: Wanted) -> Iterator[Finding]:
    if places and "sshd" in wanted.roles:
        yield Finding(
            "sshd",
            WARNING,
            f"Match blocks set {', '.join(places)}",
            "settings that hold for everyone",
            "look whether they let in whom sshd's role would not",
        )


def kept_port(facts: Mapping[str, t.Any] | None, wanted: Wanted) -> Iterator[Finding]:
    """What keeps the port that sshd shall have out of everybody's reach, or will once the role has been applied."""
    if facts is None or "sshd" not in wanted.roles:
        return
    port = wanted.sshd_port
    host = ssh_port.Ports(
        service="",
        told=(),
        start=facts["start"],
        settable=facts["settable"],
        inherits=facts["inherits"],
        sockets=tuple(facts["units"]),
    )
    now = ssh_port.protection(port, start=host.start, sockets=host.sockets)
    if now:
        yield Finding("sshd", OK, f"port {port}: {now}")
    elif ssh_port.unprotected(host, [port]):
        yield Finding(
            "sshd",
            WARNING,
            f"every account could take port {port} ({ssh_port.START_KEY} is {host.start} and cannot be set here)",
            f"{port + 1} or more",
            f"set it from outside of the container, or choose a port below {host.start}"
            if host.start > 1
            else "set it from outside",
        )
    else:
        how = "systemd will hold it" if ssh_port.by_systemd(host, [port]) else f"{ssh_port.START_KEY} will be {port + 1}"
        yield Finding("sshd", OK, f"port {port}: {how}")


def gpu(info: Mapping[str, t.Any], roles: Collection[str], *, required: bool) -> Finding:
    """What nvidia_info told."""
    cards = info.get("gpus", [])
    if not cards:
        if "nvidia" in roles and required:
            return Finding(
                "gpu", ERROR, "no NVIDIA GPU", "at least one (nvidia_required)", "look whether the card is seated: lspci"
            )
        return Finding("gpu", OK, "no NVIDIA GPU")
    kinds = sorted({card["architecture"] for card in cards})
    loaded = (info["driver"]["loaded"] or {}).get("version")
    told = f"{len(cards)} NVIDIA ({', '.join(kinds)}), {'driver ' + loaded if loaded else 'no driver loaded'}"
    lost = [f"GPU {card['address']} has fallen off the bus" for card in cards if card["lost"]]
    wrong = [*lost, *info["health"]["disagreements"], *info["health"]["next_boot"]]
    if signatures.refused(info["secure_boot"]) and not loaded and "nvidia" in roles:
        return Finding(
            "gpu",
            ERROR,
            f"{told}: the kernel takes signed modules only, and no key of this host is enrolled",
            "a kernel that takes the driver's module",
            "apply the role nvidia: it changes nothing, and tells the steps",
        )
    if wrong:
        expected = "GPUs that answer, one version, and a module for the kernel that boots next"
        return Finding("gpu", WARNING, f"{told}: {'; '.join(wrong)}", expected, "reboot, or apply the role nvidia")
    return Finding("gpu", OK, told)


def environments(found: Iterable[tuple[str, Sequence[cuda.Need]]], offer: cuda.Offer) -> Iterator[Finding]:
    """Environments that are for another CUDA than the driver offers which the host has, or will have."""
    for name, needs in found:
        verdict = cuda.judge(needs, offer)
        expected = "a CUDA that driver and GPU know"
        if verdict.problem:
            yield Finding("gpu", ERROR, f"environment {name}: {verdict.problem}", expected, cuda.WAY_OUT)
        for note in verdict.notes:
            yield Finding("gpu", WARNING, f"environment {name}: {note}", expected, "look whether that is enough")
