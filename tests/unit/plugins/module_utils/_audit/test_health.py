# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in good health below a folder, and what it does not say of its own."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import health
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import put

KERNEL = "6.1.0-28-amd64"
DISK = "30 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
INDEX = "/var/lib/apt/lists/security.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages"
GIB = 1 << 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "/var/lib/dpkg/status", "Package: openssl\nStatus: install ok installed\nVersion: 3.0.17-1~deb12u2\n")
    put(tmp_path, INDEX, "Package: openssl\nSource: x\nVersion: 3.0.17-1~deb12u2\n\nPackage: other\nVersion: 9\n")
    put(tmp_path, "/usr/lib/systemd/systemd-journald")
    (tmp_path / "var/log/journal/abc").mkdir(parents=True)
    put(tmp_path, "/proc/uptime", "90000.5 1.0\n")
    put(tmp_path, "/proc/sys/kernel/osrelease", f"{KERNEL}\n")
    put(tmp_path, f"/boot/vmlinuz-{KERNEL}")
    put(tmp_path, "/boot/vmlinuz-6.1.0-99-cloud-amd64")
    return tmp_path


def found(root: Path, **answers: str) -> list[Finding]:
    """`answers` are what programs print."""

    def attempt(*argv: str, **_more: t.Any) -> tuple[int, str, str]:
        name = os.path.basename(argv[0]).replace("-", "_")
        return (0, answers[name], "") if name in answers else (127, "", "none")

    return list(health.find(Host(attempt, str(root)), Declared()))


def one(root: Path, **answers: str) -> Finding:
    (finding,) = found(root, **answers)
    return finding


def test_a_healthy_host(root: Path) -> None:
    assert found(root, systemctl="", timedatectl="NTP=yes\nNTPSynchronized=yes\n") == []


def test_a_host_that_says_nothing(tmp_path: Path) -> None:
    assert found(tmp_path) == []


FAILED = (
    "fail2ban.service loaded failed failed Fail2Ban Service\n"
    "run-u42.service loaded failed failed /bin/x\n"
    "systemd-modules-load.service loaded failed failed Load Kernel Modules\n"
    "dev-hugepages.mount loaded failed failed Huge Pages File System\n"
)


def test_failed_units(root: Path) -> None:
    findings = found(root, systemctl=FAILED)
    names = ["fail2ban.service", "run-*.service", "systemd-modules-load.service", "dev-hugepages.mount"]
    assert [finding.name for finding in findings] == names
    assert {finding.severity for finding in findings} == {"warning"}
    assert "systemctl status fail2ban.service" in findings[0].way_out


def test_in_a_container_what_is_the_machine_s_does_not_count(root: Path) -> None:
    put(root, "/run/systemd/container", "docker")
    put(root, "/run/reboot-required")
    put(root, "/proc/self/mountinfo", DISK)
    findings = found(root, systemctl=FAILED, timedatectl="NTP=no\nNTPSynchronized=no\n")
    assert [finding.name for finding in findings] == ["fail2ban.service", "run-*.service"]


def room(monkeypatch: pytest.MonkeyPatch, **values: int) -> None:
    fields = {"f_blocks": 1000, "f_bfree": 500, "f_bavail": 450, "f_frsize": GIB, "f_files": 1000, "f_favail": 500, "f_fsid": 1}
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(**{**fields, **values}))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, []),
        ({"f_bfree": 90, "f_bavail": 50}, []),
        ({"f_bfree": 90, "f_bavail": 50, "f_frsize": 1 << 20}, ["space of /"]),
        ({"f_bfree": 60, "f_bavail": 10}, ["space of /"]),
        # 5 % are kept for root: df(1) says 89 % here.
        ({"f_bfree": 150, "f_bavail": 100, "f_frsize": 1 << 20}, []),
        ({"f_blocks": 100_000, "f_bfree": 1900, "f_bavail": 1900}, ["space of /"]),
        ({"f_bfree": 0, "f_bavail": 0}, ["space of /"]),
        ({"f_favail": 99}, ["inodes of /"]),
        ({"f_files": 0, "f_favail": 0}, []),
        ({"f_blocks": 0, "f_bfree": 0, "f_bavail": 0}, []),
    ],
)
def test_disks(root: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, int], names: list[str]) -> None:
    put(root, "/proc/self/mountinfo", DISK + "31 1 8:1 /x /srv rw - ext4 /dev/sda1 rw\n")
    room(monkeypatch, **values)
    findings = found(root)
    assert [finding.name for finding in findings] == names
    assert all(finding.severity == "warning" for finding in findings)


@pytest.mark.parametrize(
    "line",
    [
        "1 1 0:5 / /run rw - tmpfs tmpfs rw",
        "1 1 0:5 / / rw - overlay overlay rw",
        "1 1 7:1 / /media ro,relatime - ext4 /dev/loop1 ro",
        "1 1 0:9 / /home/eve/x rw - fuse.sshfs x rw",
        "1 1 0:9 / /srv/nfs rw - nfs4 x rw",
        "nonsense",
    ],
)
def test_what_is_no_disk_of_this_host(root: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    put(root, "/proc/self/mountinfo", f"{line}\n")
    room(monkeypatch, f_bfree=0, f_bavail=0, f_favail=0)
    assert found(root) == []


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ("NTP=yes\nNTPSynchronized=no\n", "not synchronised"),
        ("NTP=no\nNTPSynchronized=no\n", "not synchronised, and nothing does it"),
    ],
)
def test_the_clock(root: Path, shown: str, says: str) -> None:
    finding = one(root, timedatectl=shown)
    assert (finding.name, finding.found, finding.severity) == ("clock", says, "notice")
    put(root, "/proc/uptime", "60.0 1.0\n")
    assert found(root, timedatectl=shown) == []


@pytest.mark.parametrize(
    ("setting", "folder", "told"),
    [
        ("", True, False),
        ("", False, True),
        ("Storage=auto", False, True),
        ("Storage=persistent", False, False),
        ("#Storage=volatile", True, False),
        ("Storage=volatile", True, True),
        ("Storage=none", True, True),
    ],
)
def test_the_journal(root: Path, setting: str, folder: bool, told: bool) -> None:
    put(root, "/etc/systemd/journald.conf", f"[Journal]\n{setting}\n")
    if not folder:
        (root / "var/log/journal/abc").rmdir()
        (root / "var/log/journal").rmdir()
    assert [finding.name for finding in found(root)] == (["journal"] if told else [])


def test_a_drop_in_of_the_journal_wins(root: Path) -> None:
    put(root, "/etc/systemd/journald.conf", "Storage=persistent\n")
    put(root, "/run/systemd/journald.conf.d/x.conf", "Storage=volatile\n")
    assert one(root).name == "journal"
    put(root, "/etc/systemd/journald.conf.d/x.conf", "Storage=persistent\n")
    assert found(root) == []


def test_a_journal_that_grows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "/var/log/journal/abc/system.journal", "x" * 9000)
    monkeypatch.setattr(health, "JOURNAL", 4096)
    assert one(root).name == "size of the journal"


def test_security_updates(root: Path) -> None:
    put(root, INDEX, "Package: openssl\nVersion: 3.0.17-1~deb12u3\n\nPackage: other\nVersion: 9\n")
    finding = one(root)
    assert (finding.name, finding.found, finding.severity) == ("security updates", "1 packages: openssl", "notice")


def test_security_updates_in_a_packed_index(root: Path) -> None:
    (root / INDEX.lstrip("/")).rename(root / f"{INDEX.lstrip('/')}.lz4")
    assert one(root, apt_helper="Package: openssl\nVersion: 3.0.18-1\n").found == "1 packages: openssl"


def test_other_indexes_are_none_of_security(root: Path) -> None:
    put(
        root,
        "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages",
        "Package: openssl\nVersion: 9\n",
    )
    assert found(root) == []


VERSIONS = [
    "1.0~rc1",
    "1.0~rc1-1",
    "1.0",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+deb12u9",
    "1.0-1+deb12u10",
    "1.0a",
    "1.0+b",
    "1.0.",
    "2",
    "10",
    "1:0",
]


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    for index, one_version in enumerate(VERSIONS):
        for other_index, other in enumerate(VERSIONS):
            assert health.newer(one_version, other) is (index > other_index), (one_version, other)
    assert not health.newer("1.0-0", "1.0")
    assert not health.newer("0:1.0", "1.0")


def test_lists_that_nobody_fetches(root: Path) -> None:
    lists = root / "var/lib/apt/lists"
    old = time.time() - 40 * 86400
    os.utime(lists, (old, old))
    assert (one(root).name, one(root).severity) == ("package lists", "notice")
    (lists / "partial").mkdir()
    assert found(root) == []


def test_a_reboot_that_is_due(root: Path) -> None:
    put(root, "/run/reboot-required", "*** System restart required ***\n")
    put(root, "/run/reboot-required.pkgs", "linux-image\nlibc6\nlinux-image\n")
    assert (one(root).name, one(root).found) == ("reboot required", "for libc6, linux-image")


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ("6.1.0-30-amd64", True),
        ("6.12.1-amd64", True),
        ("6.12.12+bpo-amd64", True),
        ("6.1.0-9-amd64", False),
        ("6.1.0-30-rt-amd64", False),
        ("6.1.0-30-cloud-amd64", False),
    ],
)
def test_a_newer_kernel(root: Path, installed: str, told: bool) -> None:
    put(root, f"/boot/vmlinuz-{installed}")
    findings = found(root)
    assert [finding.name for finding in findings] == (["kernel"] if told else [])


def test_a_kernel_of_somebody_s_own_is_not_compared(root: Path) -> None:
    put(root, "/proc/sys/kernel/osrelease", "6.18.44-fc-v782\n")
    put(root, "/boot/vmlinuz-6.99.0-fc-v782")
    assert found(root) == []


@pytest.mark.parametrize(
    ("library", "told"), [("libcuda.so.535.261.03", False), ("libcuda.so.550.1.2", True), ("libother.so.550.1.2", False)]
)
def test_the_driver(root: Path, library: str, told: bool) -> None:
    put(root, f"/usr/lib/x86_64-linux-gnu/nvidia/current/{library}")
    assert found(root) == []
    put(root, "/sys/module/nvidia/version", "535.261.03\n")
    assert [finding.name for finding in found(root)] == (["NVIDIA driver"] if told else [])


def test_a_driver_that_the_kernel_refuses(root: Path) -> None:
    for name, value in (("vendor", "0x10de"), ("device", "0x20b2"), ("class", "0x030200")):
        put(root, f"/sys/bus/pci/devices/0000:3b:00.0/{name}", f"{value}\n")
    put(root, "/usr/lib/x86_64-linux-gnu/libcuda.so.550.1.2")
    put(root, f"/lib/modules/{KERNEL}/modules.dep")
    put(root, f"/var/lib/dkms/nvidia/550.1.2/{KERNEL}/x86_64/module/nvidia.ko")
    (root / f"var/lib/dkms/nvidia/kernel-{KERNEL}-x86_64").symlink_to(f"550.1.2/{KERNEL}/x86_64")
    assert found(root) == []
    put(root, "/sys/module/module/parameters/sig_enforce", "Y\n")
    assert one(root).name == "NVIDIA driver" and "the kernel refuses the module" in one(root).found
    put(root, "/sys/module/nvidia/version", "550.1.2\n")
    assert found(root) == []


@pytest.mark.parametrize(("days", "told"), [(-1, True), (20, True), (22, False)])
def test_a_certificate_that_ends_is_told(root: Path, days: int, told: bool) -> None:
    put(root, "/etc/nginx/research-server/server.crt", "x")
    end = time.gmtime(time.time() + days * 86400 + 60)
    # Of X.509, in English whatever the locale.
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][end.tm_mon - 1]
    findings = found(root, openssl=f"notAfter={month} {time.strftime('%d %H:%M:%S %Y', end)} GMT\n")
    assert [(finding.name, finding.severity) for finding in findings] == [("certificate of the web door", "notice")] * told
    assert not told or time.strftime("%Y-%m-%d", end) in findings[0].found


def test_a_certificate_that_nobody_can_read_is_told(root: Path) -> None:
    put(root, "/etc/nginx/research-server/server.crt", "x")
    assert one(root).found == "cannot be read"
