# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.nvidia import check

NVIDIA = {
    "nvidia_source": "nvidia",
    "nvidia_repository_url": "https://nvidia.example/debian12/x86_64",
    "nvidia_repository_key_url": "https://nvidia.example/debian12/x86_64/key.gpg",
    "nvidia_repository_key_checksum": "sha256:" + "0a" * 32,
}

CONTAINERS = {name.replace("repository", "container_toolkit"): value for name, value in NVIDIA.items() if name != "nvidia_source"}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"nvidia_source": "distribution"}, []),
        ({"nvidia_version": "580"}, []),
        ({"nvidia_version": "580.95.05"}, []),
        ({"nvidia_version": "580.95.05-1"}, []),
        ({"nvidia_version": "latest"}, ["nvidia_version"]),
        ({"nvidia_version": "58"}, ["nvidia_version"]),
        (NVIDIA, []),
        (NVIDIA | {"nvidia_repository_key_checksum": ""}, ["nvidia_repository_key_checksum"]),
        (NVIDIA | {"nvidia_repository_key_checksum": "0a" * 32}, ["nvidia_repository_key_checksum"]),
        (NVIDIA | {"nvidia_repository_url": "nvidia.example"}, ["nvidia_repository_url"]),
        (NVIDIA | {"nvidia_source": "distribution", "nvidia_repository_key_checksum": ""}, []),
        (NVIDIA | {"nvidia_cuda_toolkits": ["12.8", "13.0"]}, []),
        (NVIDIA | {"nvidia_cuda_toolkits": ["12.8", "latest", "12"]}, ["nvidia_cuda_toolkits", "nvidia_cuda_toolkits"]),
        ({"nvidia_source": "distribution", "nvidia_cuda_toolkits": ["12.8"]}, ["nvidia_cuda_toolkits"]),
        ({"nvidia_gpu_settings": {"mig": {"all": ["1g.10gb+me", "3g.40gb"], "0000:65:00.0": []}}}, []),
        ({"nvidia_container_toolkit": True} | CONTAINERS, []),
        ({"nvidia_container_toolkit": False, "nvidia_container_toolkit_key_checksum": ""}, []),
        (
            {"nvidia_container_toolkit": True} | CONTAINERS | {"nvidia_container_toolkit_key_checksum": ""},
            ["nvidia_container_toolkit_key_checksum"],
        ),
        (NVIDIA | {"nvidia_dcgm_exporter": True}, []),
        ({"nvidia_source": "distribution", "nvidia_dcgm_exporter": True}, ["nvidia_dcgm_exporter"]),
        (NVIDIA | {"nvidia_dcgm_exporter": True, "nvidia_dcgm_exporter_port": 443}, ["nvidia_dcgm_exporter_port"]),
        # As YAML reads an address without quotes.
        ({"nvidia_gpu_settings": {"mig": {1020.0: ["1g.10gb"]}}}, ["nvidia_gpu_settings.mig"]),
        ({"nvidia_gpu_settings": {"mig": {"all": ["1g.10gb", "1c.3g.40gb"]}}}, ["nvidia_gpu_settings.mig"]),
        ({"nvidia_gpu_settings": {"mig": {"all": "7g.80gb"}}}, ["nvidia_gpu_settings.mig"]),
    ],
)
def test_check(variables: dict[str, t.Any], named: list[str]) -> None:
    problems = check(variables)
    assert [problem.split(":")[0] for problem in problems] == named
    assert all("expected" in problem for problem in problems)
