# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken on a host, or is due. Private to this collection.

A container has neither a clock nor a kernel nor disks of its own: there nothing is said about them.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from .._host import dpkg, kernels, mounts
from .._nvidia import pci, reading, signatures
from .._nvidia import state as nvidia_state
from .._nvidia.kernels import read_kernels
from .._proxy import acme, nginx
from .._text.escapes import in_one_line, listing
from .declared import Declared
from .finding import Finding
from .host import Host
from .packages import RECORD_LIMIT
from .schedules import MADE_UP

TOPIC = "health"
LISTS = "/var/lib/apt/lists"
# Without one of them there is little left, however big a disk is; without the other, nothing.
FULL, FULL_BYTES, FULL_AT_ALL = 0.90, 20 << 30, 0.98
INODES = 0.90
# From boot on, until a clock can be expected to be right.
SETTLING = 900.0
# journald.conf(5), SystemMaxUse: its own limit; above it somebody else has raised it, or it does not keep to it.
JOURNAL = 8 << 30
LISTS_DAYS = 15
CERTIFICATE_DAYS = 21
# In containers these belong to the machine, and fail where they may not set it.
MACHINES = re.compile(
    r".+\.(?:mount|swap|automount)|systemd-.+|modprobe@.+|kmod.*|proc-.+|sys-.+|dev-.+|getty@.+|e2scrub.+|fstrim.+"
)


def find(host: Host, _declared: Declared) -> Iterator[Finding]:
    container = is_container(host)
    yield from _failed_units(host, container)
    yield from _updates(host)
    yield from _journal(host)
    for path in (nginx.CERTIFICATE, acme.CERTIFICATE):
        yield from _certificate(host, path)
    if not container:
        yield from _space(host)
        yield from _clock(host)
        yield from _reboot(host)
        yield from _kernel(host)
        yield from _lists(host)
        yield from _gpus(host)
    yield from _driver(host)


def is_container(host: Host) -> bool:
    """systemd writes down what it runs in (systemd-detect-virt(1)); engines leave files of their own."""
    return any(
        host.status(path)
        for path in ("/run/systemd/container", "/.dockerenv", "/run/.containerenv", "/run/host/container-manager")
    )


def _due(name: str, found: str, expected: str, way_out: str) -> Finding:
    return Finding(TOPIC, in_one_line(name), in_one_line(found), expected, in_one_line(way_out), "notice")


def _failed_units(host: Host, container: bool) -> Iterator[Finding]:
    for line in host.output("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full").splitlines():
        words = line.split(None, 4)
        if len(words) < 4 or (container and MACHINES.fullmatch(words[0])):
            continue
        name, way_out = words[0], f"systemctl status {words[0]}; if it is over, systemctl reset-failed {words[0]}"
        title = MADE_UP.sub("run-*", name)
        yield Finding(TOPIC, in_one_line(title), "failed", "running, or done", in_one_line(way_out), "warning")


def _space(host: Host) -> Iterator[Finding]:
    seen = set()
    for path in _disks(host.text("/proc/self/mountinfo") or ""):
        try:
            room = os.statvfs(host.path(path))
        except OSError:
            continue
        if room.f_fsid in seen and room.f_fsid:
            continue
        seen.add(room.f_fsid)
        # As df(1): what is kept for root is not there for others.
        usable = room.f_blocks - room.f_bfree + room.f_bavail
        used = 1 - room.f_bavail / usable if usable else 0.0
        left = room.f_bavail * room.f_frsize
        if used >= FULL_AT_ALL or (used >= FULL and left < FULL_BYTES):
            found, way_out = f"{used:.0%} used, {left >> 20} MiB left", f"du -xh --max-depth=2 {path} | sort -h | tail"
            yield Finding(TOPIC, in_one_line(f"space of {path}"), found, "room to work", in_one_line(way_out), "warning")
        if room.f_files and 1 - room.f_favail / room.f_files >= INODES:
            found, way_out = f"{room.f_favail} inodes left", f"du --inodes -x --max-depth=2 {path} | sort -n | tail"
            yield Finding(TOPIC, in_one_line(f"inodes of {path}"), found, "room to work", in_one_line(way_out), "warning")


def _disks(mountinfo: str) -> list[str]:
    """Where disks of this host are mounted. What is in memory has limits of its own; what is read-only stays as full as it is."""
    lines = []
    for line in mountinfo.splitlines():
        left, _dash, right = line.partition(" - ")
        fields, kinds = left.split(), right.split(" ")
        in_memory = kinds[0] in ("tmpfs", "ramfs", "overlay")
        if len(fields) > 5 and kinds[0] in (*mounts.LOCAL, "vfat") and not in_memory and "ro" not in fields[5].split(","):
            lines.append(line)
    return mounts.mount_points("\n".join(lines))


def _clock(host: Host) -> Iterator[Finding]:
    uptime = re.match(r"[0-9.]+", host.text("/proc/uptime") or "")
    if uptime and float(uptime[0]) < SETTLING:
        return
    shown = dict(re.findall(r"^(\w+)=(.*)$", host.output("timedatectl", "show"), re.MULTILINE))
    if shown.get("NTPSynchronized", "yes") != "yes":
        nobody = shown.get("NTP") != "yes"
        way_out = (
            "timedatectl set-ntp true, with systemd-timesyncd or chrony installed" if nobody else "timedatectl timesync-status"
        )
        yield _due("clock", "not synchronised" + (", and nothing does it" if nobody else ""), "synchronised", way_out)


def _journal(host: Host) -> Iterator[Finding]:
    if host.status("/usr/lib/systemd/systemd-journald") is None and host.status("/lib/systemd/systemd-journald") is None:
        return
    storage = "auto"
    folders = ("/usr/lib/systemd/journald.conf.d", "/run/systemd/journald.conf.d", "/etc/systemd/journald.conf.d")
    files = {name: f"{folder}/{name}" for folder in folders for name in host.names(folder) if name.endswith(".conf")}
    for path in ("/etc/systemd/journald.conf", *(files[name] for name in sorted(files))):
        for value in re.findall(r"^\s*Storage\s*=\s*(\w+)", host.text(path) or "", re.MULTILINE):
            storage = value.lower()
    if storage in ("none", "volatile") or (storage == "auto" and host.status("/var/log/journal") is None):
        way_out = (
            "mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal; Storage=auto in journald.conf"
        )
        yield _due("journal", "is gone after a boot", "to be kept in /var/log/journal (journald.conf(5), Storage)", way_out)
    size = sum(
        status.st_blocks * 512
        for folder in host.names("/var/log/journal")
        for name in host.names(f"/var/log/journal/{folder}")
        for status in [host.status(f"/var/log/journal/{folder}/{name}")]
        if status and stat.S_ISREG(status.st_mode)
    )
    if size > JOURNAL:
        yield _due("size of the journal", f"{size >> 20} MiB", f"{JOURNAL >> 20} MiB at most", "journalctl --vacuum-size=4G")


def _certificate(host: Host, path: str) -> Iterator[Finding]:
    """Of the web door, whoever has made it: that of the lab's own authority would be a new one by now."""
    if host.status(path) is None:
        return
    said = host.output("openssl", "x509", "-in", host.path(path), "-noout", "-enddate")
    try:
        end = ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter="))
    except ValueError:
        found = "cannot be read"
    else:
        if end - time.time() > CERTIFICATE_DAYS * 86400:
            return
        found = f"ends on {time.strftime('%Y-%m-%d', time.gmtime(end))}"
    expected = f"one that holds for {CERTIFICATE_DAYS} days more"
    yield _due("certificate of the web door", found, expected, "renew it (proxy_certificate), or apply the role proxy")


def _updates(host: Host) -> Iterator[Finding]:
    installed = dpkg.installed(host.text(dpkg.STATUS, RECORD_LIMIT) or "")
    due = set()
    for name in host.names(LISTS) if installed else ():
        if host.late:
            return
        if re.search(r"[-_]security_.*_Packages(?:\.(?:lz4|gz|xz|bz2|zst))?$", name):
            text = host.text(f"{LISTS}/{name}", RECORD_LIMIT) or ""
            if not name.endswith("_Packages"):
                text = host.output("/usr/lib/apt/apt-helper", "cat-file", f"{LISTS}/{name}")
            for package, version in offered(text):
                if package in installed and newer(version, installed[package]):
                    due.add(package)
    if due:
        found = f"{len(due)} packages: {listing(sorted(due), 10)}"
        yield _due("security updates", found, "none pending", "apt-get update && apt-get upgrade, or unattended-upgrades")


def offered(text: str) -> list[tuple[str, str]]:
    """Name and version of each package in an index of apt."""
    return re.findall(r"^Package: (\S+)$(?:\n(?!Version: ).+)*\nVersion: (\S+)$", text, re.MULTILINE)


def newer(one: str, other: str) -> bool:
    """Whether a version is newer than another (deb-version(7), "Sorting algorithm")."""
    return _version_key(one) > _version_key(other)


def _version_key(version: str) -> tuple[int, list[list[int]], list[list[int]]]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch) if epoch.isdecimal() else 0, _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> list[list[int]]:
    """Signs and numbers by turns. `~` comes before the end, the end before letters, and letters before all other signs."""
    key = []
    for signs, digits in re.findall(r"(\D*)(\d*)", part):
        order = [-1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + 0x110000 for sign in signs]
        key.append([*order, 0, int(digits or 0)])
    return key


def _lists(host: Host) -> Iterator[Finding]:
    # The lists themselves are as old as they are on the server.
    traces = (LISTS, f"{LISTS}/partial", "/var/lib/apt/periodic/update-success-stamp", "/var/cache/apt/pkgcache.bin")
    times = [status.st_mtime for status in map(host.status, traces) if status]
    if host.status(dpkg.STATUS) and times and time.time() - max(times) > LISTS_DAYS * 86400:
        found = f"fetched more than {LISTS_DAYS} days ago, so nobody knows which updates are due"
        yield _due("package lists", found, "fetched daily", "apt-get update; systemctl enable --now apt-daily.timer")


def _reboot(host: Host) -> Iterator[Finding]:
    if host.status("/run/reboot-required"):
        packages = sorted(set((host.text("/run/reboot-required.pkgs") or "").split()))
        found = f"for {listing(packages, 5)}" if packages else "/run/reboot-required is there"
        yield _due("reboot required", found, "no reboot required", "reboot, when nobody computes")


def _kernel(host: Host) -> Iterator[Finding]:
    running = (host.text("/proc/sys/kernel/osrelease") or "").strip()
    installed = [name[len("vmlinuz-") :] for name in host.names("/boot") if name.startswith("vmlinuz-")]
    newest = kernels.boots_next(installed, running)
    if running in installed and kernels.order(newest) > kernels.order(running):
        found = f"{running} runs, {newest} is installed"
        yield _due("kernel", found, "the newest that is installed", "reboot, when nobody computes")


def _gpus(host: Host) -> Iterator[Finding]:
    root, sysfs = Path(host.path("/")), Path(host.path("/sys"))
    gpus = pci.own(pci.describe(reading.read_pci(sysfs)))
    for gpu in gpus:
        if gpu["lost"]:
            way_out = "journalctl -k -g 'Xid|fallen off'; look at power, cooling and slot; power the machine off and on"
            yield Finding(TOPIC, in_one_line(f"GPU {gpu['address']}"), "has fallen off the bus", "to answer", way_out, "warning")
    if gpus:
        running = (host.text("/proc/sys/kernel/osrelease") or "").strip()
        health = nvidia_state.assess(
            loaded=reading.read_loaded(sysfs, Path(host.path("/proc"))),
            userland=reading.read_userland(root),
            kernels=read_kernels(root, running),
            nouveau=False,
            refused=signatures.refused(signatures.read_secure_boot(root, sysfs)),
        )
        if nvidia_state.REFUSED in health["disagreements"]:
            way_out = "apply the role nvidia, which tells the steps"
            yield _due("NVIDIA driver", nvidia_state.REFUSED, "a module that the kernel takes", way_out)
        for found in health["next_boot"]:
            way_out = "apply the role nvidia before the machine boots"
            yield _due("NVIDIA driver after the next boot", found, "a module for that kernel", way_out)


def _driver(host: Host) -> Iterator[Finding]:
    loaded = reading.read_loaded(Path(host.path("/sys")), Path(host.path("/proc")))
    libraries = reading.read_userland(Path(host.path("/"))) if loaded else []
    if loaded and libraries and loaded["version"] not in libraries:
        found = f"module {loaded['version']} is loaded, libraries of {', '.join(libraries)} are installed"
        yield _due("NVIDIA driver", found, "one version", "reboot, when nobody computes")
