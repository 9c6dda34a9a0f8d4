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
HOLD = "/etc/apt/preferences.d/research-server-nvidia"


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


def test_a_version_that_nobody_offers_changes_nothing(host: Host, converge: Converge) -> None:
    hold = host.file(HOLD).content_string
    done = converge(nvidia_version="580.99.99")
    assert not done.ok
    assert "found no nvidia-kernel-dkms 580.99.99, no nvidia-driver-cuda 580.99.99 in the package lists" in done.text
    assert (driver(host), host.file(HOLD).content_string) == ({FIRST}, hold)


def test_who_computes_is_named_and_not_disturbed(host: Host, converge: Converge) -> None:
    host.check_output(
        "touch /dev/nvidia0 && systemd-run --quiet --unit=stand-in-computes --uid=nobody "
        "--property=StandardInput=file:/dev/nvidia0 sleep infinity"
    )
    hold = host.file(HOLD).content_string
    done = converge(nvidia_version="580.76.05")
    assert (done.ok, done.changed) == (True, 0), done.text
    assert "driver 580.76.05 is put off, and 580.95.05 stays: the GPUs are used by sleep of nobody (" in done.text
    assert (driver(host), host.file(HOLD).content_string) == ({FIRST}, hold)
    assert converge(nvidia_version="580.76.05", nvidia_upgrade_in_use=True).ok
    assert driver(host) == {OLDER}


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
    files = "cat /etc/apt/preferences.d/research-server-nvidia /etc/apt/sources.list.d/research-server-nvidia.sources"
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
