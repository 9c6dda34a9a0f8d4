# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-checks of the variables of the role nvidia. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping

from ...module_utils._nvidia import mig

CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
URL = re.compile(r"(https?|file)://\S+")
TOOLKIT = re.compile(r"\d{1,2}\.\d")
# Those below need rights that the exporter does not have.
FIRST_PORT, LAST_PORT = 1024, 65535
VERSION = re.compile(r"\d{3}(\.\d+){0,2}(-\S+)?")


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """Say what does not fit together, before any host is touched."""
    problems = []
    version = str(variables.get("nvidia_version") or "")
    if version and not VERSION.fullmatch(version):
        problems.append(
            f"nvidia_version: found '{version}'; expected a branch ('580'), a driver version ('580.95.05') "
            "or a package version ('580.95.05-1')"
        )
    toolkits = [str(toolkit) for toolkit in variables.get("nvidia_cuda_toolkits") or []]
    problems += [
        f"nvidia_cuda_toolkits: found '{toolkit}'; expected a version of CUDA such as '12.8', in quotes"
        for toolkit in toolkits
        if not TOOLKIT.fullmatch(toolkit)
    ]
    if toolkits and variables.get("nvidia_source") != "nvidia":
        problems.append(
            f"nvidia_cuda_toolkits: found nvidia_source: {variables.get('nvidia_source')}; expected nvidia_source: nvidia, as "
            "only that has several; or set nvidia_cuda_toolkit"
        )
    if variables.get("nvidia_dcgm_exporter") and variables.get("nvidia_source") != "nvidia":
        problems.append(
            f"nvidia_dcgm_exporter: found nvidia_source: {variables.get('nvidia_source')}; expected nvidia_source: nvidia, as "
            "only NVIDIA's repository has the exporter"
        )
    port = variables.get("nvidia_dcgm_exporter_port", FIRST_PORT)
    if not FIRST_PORT <= int(port) <= LAST_PORT:
        problems.append(f"nvidia_dcgm_exporter_port: found {port}; expected {FIRST_PORT} to {LAST_PORT}")
    settings = variables.get("nvidia_gpu_settings")
    if isinstance(settings, Mapping) and isinstance(settings.get("mig"), Mapping):
        problems += [f"nvidia_gpu_settings.{problem}" for problem in mig.malformed(settings["mig"])]
    if variables.get("nvidia_source") == "nvidia":
        problems += unpinned(variables, "nvidia_repository")
    if variables.get("nvidia_container_toolkit"):
        problems += unpinned(variables, "nvidia_container_toolkit")
    return problems


def unpinned(variables: Mapping[str, t.Any], repository: str) -> Iterator[str]:
    """What a repository lacks, by the beginning of its variables' names."""
    for name in (f"{repository}_url", f"{repository}_key_url"):
        url = str(variables.get(name) or "")
        if not URL.fullmatch(url):
            yield f"{name}: found '{url}'; expected a URL that starts with https://"
    checksum = str(variables.get(f"{repository}_key_checksum") or "")
    if not CHECKSUM.fullmatch(checksum):
        yield (
            f"{repository}_key_checksum: found '{checksum}'; expected 'sha256:' and 64 lower-case hexadecimal digits; "
            "download the key, compare its fingerprint with the one that NVIDIA publishes, and run sha256sum on it"
        )
