# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia.legacy import leftovers

URL = "https://mirror.example/nvidia"
DEBIAN = "http://deb.example/debian"
THEIRS = "https://developer.download.nvidia.com/compute/cuda/repos/debian11/x86_64/"
LEARNING = "https://developer.download.nvidia.com/compute/machine-learning/repos/ubuntu2004/x86_64"


def found(*sources: tuple[str, str], keys: tuple[tuple[str, bool], ...] = ()) -> list[tuple[str, bool, str]]:
    info: dict[str, t.Any] = {
        "apt_sources": [{"file": file, "uris": [uri]} for file, uri in sources if not file.endswith(".repo")],
        "yum_repositories": [{"file": file, "uris": [uri]} for file, uri in sources if file.endswith(".repo")],
        "former_keys": [{"path": path, "alone": alone} for path, alone in keys],
    }
    return [(file.path, file.removable, file.told) for file in leftovers(info, URL)]


@pytest.mark.parametrize("uri", [THEIRS, LEARNING, f"{URL}/"])
def test_a_file_with_nothing_else_may_go(uri: str) -> None:
    ((path, removable, told),) = found(("/etc/apt/sources.list", DEBIAN), ("/etc/apt/sources.list.d/cuda-debian11.list", uri))
    assert (path, removable) == ("/etc/apt/sources.list.d/cuda-debian11.list", True)
    assert "rm /etc/apt/sources.list.d/cuda-debian11.list, or set nvidia_clean_legacy: true" in told


def test_so_may_a_repository_of_dnf() -> None:
    theirs = "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64"
    base = ("/etc/yum.repos.d/almalinux-baseos.repo", "https://mirrors.almalinux.org/mirrorlist/9/baseos")
    ((path, removable, told),) = found(base, ("/etc/yum.repos.d/cuda-rhel9.repo", theirs))
    assert (path, removable) == ("/etc/yum.repos.d/cuda-rhel9.repo", True)
    assert "rm /etc/yum.repos.d/cuda-rhel9.repo, or set nvidia_clean_legacy: true" in told


@pytest.mark.parametrize("sources", [[("/x.list", THEIRS), ("/x.list", DEBIAN)], [("/etc/apt/sources.list", THEIRS)]])
def test_a_file_with_other_sources_stays(sources: list[tuple[str, str]]) -> None:
    ((_path, removable, told),) = found(*sources)
    assert not removable
    assert "take that repository out of it" in told


def test_what_is_not_nvidias_is_left_out() -> None:
    assert found(("/x.list", DEBIAN), ("/y.list", "https://nvidia.github.io/libnvidia-container/stable/deb/amd64")) == []


def test_the_repository_of_the_container_toolkit_is_one_whatever_the_machine() -> None:
    url = "https://nvidia.github.io/libnvidia-container/stable/deb/"
    info: dict[str, t.Any] = {
        "apt_sources": [{"file": "/y.list", "uris": [f"{url}$(ARCH)"]}],
        "yum_repositories": [],
        "former_keys": [],
    }
    assert [file.path for file in leftovers(info, URL, f"{url}amd64")] == ["/y.list"]
    assert list(leftovers(info, URL, "https://mirror.example/containers/amd64")) == []


def test_the_former_key_is_told_with_the_way_out() -> None:
    alone, shared = found(keys=(("/etc/apt/trusted.gpg.d/cuda.gpg", True), ("/etc/apt/trusted.gpg", False)))
    assert alone[1] and "rm /etc/apt/trusted.gpg.d/cuda.gpg" in alone[2]
    assert (
        not shared[1]
        and "gpg --no-default-keyring --keyring /etc/apt/trusted.gpg --batch --yes --delete-keys 7FA2AF80" in shared[2]
    )
