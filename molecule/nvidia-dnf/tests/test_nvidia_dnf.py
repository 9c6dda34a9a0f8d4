# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With dnf the driver comes from the stream that fits the GPU, is held, and comes back where another does not stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

Converge = Callable[..., Any]

NEWEST, OLDER = "580.105.08", "580.95.05"
LOCK = "/etc/dnf/plugins/versionlock.list"
STREAM = "/etc/dnf/modules.d/nvidia-driver.module"
REPOSITORY = "/etc/yum.repos.d/research-server-nvidia.repo"
# No module is built for what these versions of two branches install.
DOES_NOT_BUILD = {"580-dkms": "580.82.07", "590-open": "590.44.01"}
A100 = {"nvidia_sysfs_root": "/srv/machines/a100"}


@pytest.fixture(autouse=True)
def _as_it_was(host: Host, converge: Converge) -> Iterator[None]:
    yield
    host.run("systemctl stop stand-in-computes; rm -f /dev/nvidia0")
    if driver(host) != {"kmod-nvidia-latest-dkms": NEWEST, "nvidia-driver-cuda": NEWEST}:
        assert converge(nvidia_version=NEWEST).ok


def driver(host: Host) -> dict[str, str]:
    """Version of the kernel part, whichever kind, and of the libraries."""
    asked = "rpm -qa --queryformat '%{name} %{version}\\n' 'kmod-nvidia*' nvidia-driver-cuda"
    return dict(line.split() for line in host.check_output(asked).splitlines())


def files(host: Host) -> str:
    return host.check_output(f"cat {LOCK} {STREAM} {REPOSITORY}")


def stream(host: Host) -> str:
    return host.check_output(f"sed -n s/^stream=//p {STREAM}")


def test_the_last_branch_that_drives_a_v100_is_installed_from_its_stream(host: Host) -> None:
    assert driver(host) == {"kmod-nvidia-latest-dkms": NEWEST, "nvidia-driver-cuda": NEWEST}
    assert stream(host) == "580-dkms"
    assert host.run("rpm -q dkms cuda-toolkit-12-8 nvidia-persistenced python3-dnf-plugin-versionlock").rc == 0


def test_what_was_installed_is_signed_by_the_key_that_was_checked(host: Host) -> None:
    assert "gpgcheck=1" in files(host)
    assert host.run("rpm -q gpg-pubkey").rc == 0
    assert "(none)" not in host.check_output("rpm -q --queryformat '%{RSAHEADER:pgpsig}' nvidia-driver-cuda")


def test_the_repository_supplies_nothing_else(host: Host) -> None:
    assert host.check_output("dnf -q repoquery sudo") == ""
    assert host.check_output("dnf -q repoquery --disableexcludes=all sudo") == "sudo-0:99-1.el9.noarch"


def test_the_kernel_reads_the_settings_early_and_the_daemon_starts_at_boot(host: Host) -> None:
    assert host.file("/boot/initramfs-5.14.0-570.12.1.el9_6.x86_64.img").exists
    assert host.service("nvidia-persistenced").is_enabled


def test_an_unattended_upgrade_moves_nothing_that_is_held(host: Host, converge: Converge) -> None:
    host.check_output(f"echo 'kept-by-hand-1-1.*' > /tmp/lock && cat {LOCK} >> /tmp/lock && cp /tmp/lock {LOCK}")
    done = converge(nvidia_version=OLDER)
    assert done.ok, done.text
    assert set(driver(host).values()) == {OLDER}
    host.check_output("dnf --assumeyes upgrade")
    assert set(driver(host).values()) == {OLDER}
    # Without the hold it would move: the test can fail.
    assert NEWEST in host.run("dnf --assumeno --disableplugin=versionlock upgrade").stdout
    assert converge(nvidia_version=OLDER).changed == 0
    assert "kept-by-hand-1-1.*" in host.file(LOCK).content_string


def test_another_kind_of_modules_comes_from_another_stream(host: Host, converge: Converge) -> None:
    before = files(host)
    foretold = converge("--check", **A100, nvidia_version="595")
    assert (foretold.ok, foretold.changed > 0) == (True, True), foretold.text
    assert "would enable nvidia-driver:595-open" in foretold.text
    assert (driver(host)["nvidia-driver-cuda"], files(host)) == (NEWEST, before)
    done = converge(**A100, nvidia_version="595")
    assert done.ok, done.text
    assert driver(host) == {"kmod-nvidia-open-dkms": "595.71.05", "nvidia-driver-cuda": "595.71.05"}
    assert stream(host) == "595-open"
    assert "nvidia-driver-cuda-595.71.05-*" in host.file(LOCK).content_string
    assert converge(**A100, nvidia_version="595").changed == 0


@pytest.mark.parametrize("away", DOES_NOT_BUILD)
def test_a_driver_that_does_not_stand_gives_way_to_the_one_before(host: Host, converge: Converge, away: str) -> None:
    before, wish = files(host), A100 if away.endswith("open") else {}
    done = converge(nvidia_version=DOES_NOT_BUILD[away], **wish)
    assert not done.ok
    assert "libraries are installed, but no module is built for any kernel" in done.text
    assert f"The host is back at driver {NEWEST}, held as before." in done.text
    assert driver(host) == {"kmod-nvidia-latest-dkms": NEWEST, "nvidia-driver-cuda": NEWEST}
    assert files(host) == before
    assert converge().changed == 0


def test_what_was_neither_offered_nor_held_before_is_not_after_a_version_gave_way(host: Host, converge: Converge) -> None:
    """A driver that somebody has installed by hand, without the plugin."""
    plugin = "/etc/dnf/plugins/versionlock.conf"
    host.check_output(f"sed -i 's/^enabled.*/enabled = 0/' {plugin} && rm {LOCK} {REPOSITORY}")
    try:
        done = converge(nvidia_version=DOES_NOT_BUILD["580-dkms"])
        assert not done.ok
        assert f"The host is back at driver {NEWEST}, held as before." in done.text, done.text
        assert driver(host) == {"kmod-nvidia-latest-dkms": NEWEST, "nvidia-driver-cuda": NEWEST}
        assert not host.file(REPOSITORY).exists
        assert host.file(LOCK).content_string == ""
    finally:
        host.check_output(f"sed -i 's/^enabled.*/enabled = 1/' {plugin}")
        # The plugin that the run has brought does not keep dnf from working.
        dnf = host.run("dnf --quiet --assumeno install dkms")
        assert converge().ok
    assert dnf.rc == 0, dnf.stderr


def test_a_version_that_nobody_offers_changes_nothing(host: Host, converge: Converge) -> None:
    before = files(host)
    done = converge(nvidia_version="580.99.99")
    assert not done.ok
    assert "found no kmod-nvidia-latest-dkms 580.99.99" in done.text
    assert files(host) == before


def test_who_computes_is_named_and_not_disturbed(host: Host, converge: Converge) -> None:
    host.check_output(
        "touch /dev/nvidia0 && systemd-run --quiet --unit=stand-in-computes --uid=nobody "
        "--property=StandardInput=file:/dev/nvidia0 sleep infinity"
    )
    before = files(host)
    done = converge(**A100, nvidia_version="595")
    assert (done.ok, done.changed) == (True, 0), done.text
    assert f"driver 595 is put off, and {NEWEST} stays: the GPUs are used by sleep of nobody (" in done.text
    assert files(host) == before


def test_a_stream_that_somebody_has_reset_is_a_difference_and_comes_back(host: Host, converge: Converge) -> None:
    host.check_output("dnf --assumeyes module reset nvidia-driver")
    assert converge("--check").changed == 1
    assert converge().changed == 1
    assert stream(host) == "580-dkms"


def test_a_repository_of_nvidias_that_somebody_else_added_is_told_and_removed_on_request(host: Host, converge: Converge) -> None:
    other = "/etc/yum.repos.d/cuda-rhel9.repo"
    host.check_output(f"printf '[cuda-rhel9-x86_64]\\nname=cuda\\nbaseurl=file:///srv/nvidia\\n' > {other}")
    told = converge()
    assert f"{other} names a repository of NVIDIA beside this role" in told.text
    assert host.file(other).exists
    assert converge(nvidia_clean_legacy=True).ok
    assert not host.file(other).exists
