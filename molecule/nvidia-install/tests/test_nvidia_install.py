# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's driver is really installed: module built for Debian's kernel (not loaded: no GPU), nouveau off, versions held."""

from __future__ import annotations

import pytest
from testinfra.host import Host

DRIVER = ("nvidia-kernel-dkms", "libcuda1", "nvidia-smi", "libnvidia-nvvm4", "libnvcuvid1")
BRANCH = {"12": "535", "13": "550"}


@pytest.fixture
def kernel(host: Host) -> str:
    """Release of Debian's kernel on the host."""
    return host.check_output("ls /boot/vmlinuz-*").removeprefix("/boot/vmlinuz-")


@pytest.fixture
def version(host: Host) -> str:
    """Upstream version of the driver."""
    return host.package("nvidia-kernel-dkms").version.split("-")[0]


def test_all_parts_are_of_the_releases_branch_and_of_one_version(host: Host) -> None:
    versions = {host.package(name).version for name in DRIVER}
    assert len(versions) == 1
    assert versions.pop().startswith(BRANCH[host.system_info.release.split(".")[0]])


def test_the_module_is_built_for_debians_kernel(host: Host, kernel: str, version: str) -> None:
    assert host.check_output(f"modinfo -k {kernel} -F version nvidia-current") == version
    assert host.check_output(f"modinfo -k {kernel} -F vermagic nvidia-current").split()[0] == kernel
    assert "installed" in host.check_output(f"dkms status nvidia-current/{version} -k {kernel}")


def test_the_headers_follow_the_next_kernel(host: Host) -> None:
    assert host.package("linux-headers-amd64").is_installed


def test_nouveau_is_off_in_the_initial_ram_file_system_too(host: Host, kernel: str) -> None:
    assert "blacklist nouveau" in host.check_output(f"modprobe -S {kernel} --showconfig")
    host.check_output("command -v unmkinitramfs && rm -rf /srv/initramfs")
    host.check_output(f"unmkinitramfs /boot/initrd.img-{kernel} /srv/initramfs")
    assert "options nouveau modeset=0" in host.check_output(
        "cat $(find /srv/initramfs -path '*modprobe.d/research-server-nvidia.conf')"
    )


def test_the_tools_run_and_find_no_driver(host: Host) -> None:
    done = host.run("nvidia-smi")
    assert done.failed
    assert "couldn't communicate with the NVIDIA driver" in done.stdout


def test_nothing_is_configured_twice(host: Host) -> None:
    done = host.run("apt-get update")
    assert "multiple times" not in done.stderr
    assert done.rc == 0


def test_the_driver_is_held_against_a_newer_one(host: Host) -> None:
    host.check_output(
        "set -e; mkdir -p /srv/newer/nvidia-smi/DEBIAN; cd /srv/newer; "
        "printf 'Package: nvidia-smi\\nVersion: 999-1\\nArchitecture: amd64\\nMaintainer: t <t@localhost>\\nDescription: t\\n' "
        "> nvidia-smi/DEBIAN/control; dpkg-deb -b nvidia-smi nvidia-smi.deb >/dev/null; "
        "{ cat nvidia-smi/DEBIAN/control; echo Filename: ./nvidia-smi.deb; echo Size: $(stat -c %s nvidia-smi.deb); "
        "echo SHA256: $(sha256sum nvidia-smi.deb | cut -d' ' -f1); } > Packages; "
        "echo 'deb [trusted=yes] file:/srv/newer ./' > /etc/apt/sources.list.d/newer.list; apt-get update"
    )
    try:
        assert "999-1" in host.check_output("apt-cache madison nvidia-smi")
        upgrade = "apt-get --simulate dist-upgrade"
        assert "999-1" not in host.check_output(upgrade)
        # Without the hold it would be upgraded: the test can fail.
        assert "999-1" in host.check_output(f"{upgrade} -o Dir::Etc::PreferencesParts=/nonexistent")
    finally:
        host.check_output("rm -rf /srv/newer /etc/apt/sources.list.d/newer.list && apt-get update")


def test_services_wait_for_the_next_boot(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_enabled
    assert host.run("systemd-analyze cat-config modules-load.d | grep -qx nvidia-uvm").rc == 0


def test_a_reboot_is_reported_and_not_done(host: Host, kernel: str, converge) -> None:  # type: ignore[no-untyped-def]
    outcome = converge()
    assert outcome.ok
    assert outcome.changed == 0
    assert f"reboot required: the module is built for kernel {kernel}" in outcome.text
    assert host.run("lsmod | grep -q '^nvidia '").failed


def test_a_reboot_is_planned_when_it_is_allowed(converge) -> None:  # type: ignore[no-untyped-def]
    outcome = converge("--check", nvidia_reboot=True)
    assert outcome.ok
    assert outcome.changed == 1
