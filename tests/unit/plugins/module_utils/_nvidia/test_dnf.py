# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import dnf

# Names and versions as NVIDIA's repository for RHEL 9 had them (NVIDIA/yum-packaging-precompiled-kmod, issue 68).
OFFERED = """\
kmod-nvidia-open-dkms 3:595.45.04-1.el9 noarch
kmod-nvidia-open-dkms 3:595.71.05-1.el9 noarch
kmod-nvidia-open-dkms 3:595.58.03-1.el9 noarch
nvidia-kmod-common 3:595.71.05-1.el9 noarch
nvidia-kmod-common 3:595.71.05-1.el9 noarch
kernel-devel 0:5.14.0-570.12.1.el9_6 x86_64
Error: something else
"""


def test_versions_are_told_newest_first_and_each_once() -> None:
    found = dnf.packages(OFFERED)
    assert found["kmod-nvidia-open-dkms"] == ["3:595.71.05-1.el9", "3:595.58.03-1.el9", "3:595.45.04-1.el9"]
    assert found["nvidia-kmod-common"] == ["3:595.71.05-1.el9"]
    assert dnf.installed(OFFERED)["kmod-nvidia-open-dkms"] == "3:595.71.05-1.el9"


@pytest.mark.parametrize(
    "version",
    [
        "3:999-1/../../../tmp/x.rpm",
        "3:999-1/x",
        "3:/tmp/x-1.el9",
        "3:999;reboot-1",
        "3:999-$(reboot)",
        "3:999-{{x}}",
        "3:\uff19\uff19\uff19-1",
        "\uff13:999-1",
        "999",
        "3:999",
    ],
)
def test_a_version_that_no_package_can_have_is_not_offered(version: str) -> None:
    """What a list says becomes an argument of dnf, which takes a path for a file, and asks nobody who has signed that."""
    assert dnf.packages(f"nvidia-driver-cuda {version} x86_64\n{OFFERED}") == dnf.packages(OFFERED)


@pytest.mark.parametrize("version", ["0:1.0~rc1-1.el9", "0:1.0^git20260101.abc-1.el9_6.2", "0:1.0+cuda12.8-1"])
def test_a_version_that_a_package_can_have_is(version: str) -> None:
    assert dnf.packages(f"nvidia-driver-cuda {version} x86_64\n")["nvidia-driver-cuda"] == [version]


def test_what_follows_a_kernel_is_known_by_its_release_too() -> None:
    found = dnf.packages(OFFERED)
    assert found["kernel-devel-5.14.0-570.12.1.el9_6.x86_64"] == found["kernel-devel"] == ["0:5.14.0-570.12.1.el9_6"]


def test_no_program_is_waited_for_without_end_and_no_lock_hides_what_there_is() -> None:
    assert dnf.INSTALLED[0] == dnf.OFFERED[0] == "timeout"
    assert {"--disableplugin=versionlock", "--disable-modular-filtering"} <= set(dnf.OFFERED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\nbaseurl=https://one.example/9\n  https://two.example/9\n", [["https://one.example/9", "https://two.example/9"]]),
        (
            "[a]\nbaseurl=https://one.example\nenabled=0\n[b]\nmirrorlist=https://$releasever.example\n",
            [["https://$releasever.example"]],
        ),
        ("[a]\nname=%s\n[a]\nmetalink=https://m.example\nenabled = 1\n", [["https://m.example"]]),
        ("no section\n", []),
    ],
)
def test_enabled_repositories(text: str, expected: list[list[str]]) -> None:
    assert [repository["uris"] for repository in dnf.repositories(text)] == expected


@pytest.mark.parametrize(("state", "expected"), [("enabled", "580-open"), ("disabled", ""), ("", "")])
def test_the_enabled_stream(state: str, expected: str) -> None:
    # As dnf writes it.
    assert dnf.enabled_stream(f"[nvidia-driver]\nname=nvidia-driver\nstream=580-open\nprofiles=\nstate={state}\n\n") == expected
    assert dnf.enabled_stream("") == ""
