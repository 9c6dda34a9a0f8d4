# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another driver is one variable: put off while somebody computes, and undone where the new one does not stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.one_release
Converge = Callable[..., Any]

FIRST, OLDER = "580.95.05-1", "580.76.05-1"
COMPUTES = (
    "touch /dev/nvidia0 && systemd-run --quiet --unit=stand-in-computes --uid=nobody "
    "--property=StandardInput=file:/dev/nvidia0 sleep infinity"
)
HOLD = "/etc/apt/preferences.d/research-server-nvidia"
SOURCE = "/etc/apt/sources.list.d/research-server-nvidia.sources"


@pytest.fixture(autouse=True)
def _as_it_was(host: Host, converge: Converge) -> Iterator[None]:
    yield
    host.run("systemctl stop stand-in-computes; rm -f /dev/nvidia0")
    if driver(host) != {FIRST}:
        assert converge(nvidia_version=FIRST).ok
        assert driver(host) == {FIRST}


def driver(host: Host) -> set[str]:
    return {host.package(name).version for name in ("nvidia-kernel-dkms", "nvidia-driver-cuda")}


def test_another_version_is_installed_also_under_a_module_that_is_loaded_and_waits_for_the_next_boot(
    host: Host, converge: Converge
) -> None:
    wish = {"nvidia_version": "580.76.05", "nvidia_sysfs_root": "/srv/machines/v100-in-use"}
    assert converge("--check", **wish).changed > 0
    assert driver(host) == {FIRST}
    done = converge(**wish)
    assert done.ok, done.text
    assert driver(host) == {OLDER}
    assert "Pin: version 580.76.05*" in host.file(HOLD).content_string
    assert "the loaded module is 580.95.05, the libraries are 580.76.05" in done.text
    assert converge(**wish).changed == 0


@pytest.fixture
def _modules(host: Host) -> Iterator[None]:
    """The older driver's module for the running kernel, as DKMS leaves it, and stand-ins for what takes modules out and in."""
    tree, sysfs = "/var/lib/dkms/nvidia", "/srv/machines/v100-in-use/module/nvidia"
    host.check_output(
        f"K=$(uname -r); mkdir -p /usr/lib/modules/$K {tree}/580.76.05/$K/x86_64/module; "
        f"touch {tree}/580.76.05/$K/x86_64/module/nvidia.ko; ln -s 580.76.05/$K/x86_64 {tree}/kernel-$K-x86_64; "
        f"printf '#!/bin/sh\\nrm -r {sysfs}\\n' > /usr/local/sbin/rmmod; "
        f"printf '#!/bin/sh\\nmkdir -p {sysfs}; echo 580.76.05 > {sysfs}/version\\n' > /usr/local/sbin/modprobe; "
        "chmod 0755 /usr/local/sbin/rmmod /usr/local/sbin/modprobe"
    )
    yield
    host.check_output(
        f"K=$(uname -r); rm -rf /usr/lib/modules/$K {tree}/580.76.05/$K {tree}/kernel-$K-x86_64 /usr/local/sbin/rmmod; "
        f"rm /usr/local/sbin/modprobe; mkdir -p {sysfs}; echo 580.95.05 > {sysfs}/version"
    )


@pytest.mark.usefixtures("_modules")
def test_a_driver_that_nobody_uses_is_exchanged_without_a_boot(host: Host, converge: Converge) -> None:
    wish = {"nvidia_version": "580.76.05", "nvidia_sysfs_root": "/srv/machines/v100-in-use", "nvidia_upgrade_in_use": True}
    loaded = "/srv/machines/v100-in-use/module/nvidia/version"
    host.check_output(COMPUTES)
    done = converge(**wish)
    assert done.ok, done.text
    assert host.file(loaded).content_string == "580.95.05\n"
    assert "driver 580.95.05 stays loaded, 580.76.05 is installed: in use by sleep of nobody (" in done.text
    assert "reboot required: module 580.95.05 is loaded, 580.76.05 is installed" in done.text
    host.check_output("systemctl stop stand-in-computes; rm -f /dev/nvidia0")

    foretold = converge("--check", **wish)
    assert (foretold.ok, foretold.changed) == (True, 1), foretold.text
    assert host.file(loaded).content_string == "580.95.05\n"
    done = converge(**wish)
    assert (done.ok, done.changed) == (True, 1), done.text
    assert host.file(loaded).content_string == "580.76.05\n"
    assert host.service("nvidia-persistenced").is_running
    again = converge(**wish)
    assert (again.ok, again.changed) == (True, 0), again.text
    assert "reboot required" not in again.text


@pytest.mark.thorough
def test_a_version_that_nobody_offers_changes_nothing(host: Host, converge: Converge) -> None:
    hold = host.file(HOLD).content_string
    done = converge(nvidia_version="580.99.99")
    assert not done.ok
    assert "found no nvidia-kernel-dkms 580.99.99, no nvidia-driver-cuda 580.99.99 in the package lists" in done.text
    assert (driver(host), host.file(HOLD).content_string) == ({FIRST}, hold)


def test_who_computes_is_named_and_not_disturbed(host: Host, converge: Converge) -> None:
    host.check_output(COMPUTES)
    hold = host.file(HOLD).content_string
    done = converge(nvidia_version="580.76.05")
    assert (done.ok, done.changed) == (True, 0), done.text
    assert "driver 580.76.05 is put off, and 580.95.05 stays: the GPUs are used by sleep of nobody (" in done.text
    assert (driver(host), host.file(HOLD).content_string) == ({FIRST}, hold)
    assert converge(nvidia_version="580.76.05", nvidia_upgrade_in_use=True).ok
    assert driver(host) == {OLDER}


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("version", "why"),
    [
        pytest.param("580.82.07", "Bad return status for module build", id="the build fails"),
        pytest.param(
            "580.82.09",
            "the module for kernel 6.1.0-1-stand-in is 580.76.05, the libraries are 580.82.09",
            id="another module is built",
        ),
    ],
)
def test_a_driver_that_does_not_stand_gives_way_to_the_one_before(host: Host, converge: Converge, version: str, why: str) -> None:
    files = f"cat {HOLD} {SOURCE}"
    before = host.check_output(files)
    done = converge(nvidia_version=version)
    assert not done.ok
    assert why in done.text
    assert "The host is back at driver 580.95.05, held as before." in done.text
    assert driver(host) == {FIRST}
    assert host.check_output(files) == before
    assert host.check_output("dpkg --audit") == ""
    assert host.check_output("ls /usr/lib/x86_64-linux-gnu/libcuda.so.*").split() == [
        "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05"
    ]


@pytest.mark.cases(1)
def test_what_was_neither_offered_nor_held_before_is_not_after_a_version_gave_way(host: Host, converge: Converge) -> None:
    """A driver that somebody has installed by hand."""
    host.check_output(f"rm {HOLD} {SOURCE}")
    try:
        done = converge(nvidia_version="580.82.07")
        assert not done.ok
        assert "The host is back at driver 580.95.05, held as before." in done.text, done.text
        assert (driver(host), host.file(HOLD).exists, host.file(SOURCE).exists) == ({FIRST}, False, False)
    finally:
        assert converge(nvidia_version="580.95.05").ok
    assert (host.file(HOLD).exists, host.file(SOURCE).exists) == (True, True)


@pytest.fixture
def _unpinned(host: Host) -> Iterator[None]:
    yield
    host.run("apt-get purge -qq 'nvidia-driver-pinning-*'")


def pinned(host: Host) -> list[str]:
    return host.check_output("dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'nvidia-driver-pinning-*'").splitlines()


@pytest.mark.thorough
@pytest.mark.usefixtures("_unpinned")
def test_from_branch_590_on_nvidias_own_pin_goes_with_the_branch(host: Host, converge: Converge) -> None:
    wish = {"nvidia_sysfs_root": "/srv/machines/a100", "nvidia_module_flavour": "proprietary"}
    assert "nvidia-driver-pinning" not in host.check_output("dpkg -l")
    done = converge(**wish, nvidia_version="590")
    assert done.ok, done.text
    assert (driver(host), pinned(host)) == ({"590.44.01-1"}, ["installed nvidia-driver-pinning-590"])
    assert "Pin: version 590.44.01*" in host.file(HOLD).content_string
    assert converge(**wish, nvidia_version="590").changed == 0

    failed = converge(**wish, nvidia_version="595")
    assert not failed.ok
    assert "The host is back at driver 590.44.01, held as before." in failed.text
    assert (driver(host), pinned(host)) == ({"590.44.01-1"}, ["installed nvidia-driver-pinning-590"])

    # Also down again, where the other pin would stand in the way.
    done = converge(**wish, nvidia_version="580.95.05")
    assert done.ok, done.text
    assert driver(host) == {FIRST}
    assert "installed nvidia-driver-pinning-580" in pinned(host)
    assert "installed nvidia-driver-pinning-590" not in pinned(host)
    assert converge(**wish, nvidia_version="580.95.05").changed == 0
