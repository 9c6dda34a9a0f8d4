# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed repository like NVIDIA's supplies the last driver for the GPU, which stays, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("package", ["nvidia-kernel-dkms", "nvidia-driver-cuda"])
def test_the_last_branch_that_drives_a_v100_is_installed(host: Host, package: str) -> None:
    assert host.package(package).version == "580.95.05-1"
    assert "590.44.01-1" in host.check_output(f"apt-cache madison {package}")


def test_the_open_modules_that_cannot_drive_it_are_not(host: Host) -> None:
    assert not host.package("nvidia-kernel-open-dkms").is_installed


def test_the_toolkits_that_were_asked_for_stand_side_by_side(host: Host) -> None:
    installed = {version: host.package(f"cuda-toolkit-{version}").is_installed for version in ("12-8", "12-9", "13-0")}
    assert installed == {"12-8": True, "12-9": False, "13-0": True}


def test_an_upgrade_moves_neither_the_driver_nor_anything_that_the_repository_has_no_business_with(host: Host) -> None:
    assert "99:1" in host.check_output("apt-cache madison sudo")
    planned = host.check_output("apt-get --simulate dist-upgrade")
    assert "Inst nvidia" not in planned
    assert "Inst sudo" not in planned


def test_the_repository_is_refused_when_its_signature_is_not_by_the_key(host: Host) -> None:
    release = "/srv/nvidia/InRelease"
    host.check_output(f"cp {release} /srv/InRelease && sed -i 's/Origin: NVIDIA/Origin: nvidia/' {release}")
    try:
        done = host.run("apt-get update -o Dir::Etc::sourcelist=/dev/null -o APT::Update::Error-Mode=any")
        assert done.failed
        assert "/srv/nvidia" in done.stderr
    finally:
        host.check_output(f"mv /srv/InRelease {release} && apt-get update")


def test_the_persistence_daemon_starts_at_boot(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_enabled


def test_modules_are_loaded_at_boot_and_nouveau_is_not(host: Host) -> None:
    assert host.run("systemd-analyze cat-config modules-load.d | grep -qx nvidia-uvm").rc == 0
    assert "blacklist nouveau" in host.check_output("modprobe --showconfig")


def test_files_with_the_names_of_the_first_versions_are_renamed(host: Host, converge: Callable[..., Any]) -> None:
    ours = "find /etc -name '*research-server-nvidia*' | sort"
    before = host.check_output(ours).split()
    assert len(before) == 5
    host.check_output(f"for path in $({ours}); do mv $path ${{path%/*}}/openlab${{path#*/research-server}}; done")
    assert converge("--check").changed > 0
    done = converge()
    assert done.ok, done.text
    assert not any("update-initramfs" in str(result.get("cmd")) for result in done.results)
    assert host.check_output(ours).split() == before
    assert host.check_output("find /etc -name '*openlab*'") == ""
    assert converge().changed == 0
