# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia_info tells of a host with some GPUs, in part, and what is planned for it."""

from __future__ import annotations

import typing as t

from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.pci import architecture
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia import plan as nvidia_plan
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia.wishes import Wishes
from ansible_collections.openlab.research_server.tests.data.recorded_gpus import USUAL_WISHES

ENABLED = [
    {
        "uris": ["http://mirror.example/debian"],
        "suites": ["bookworm", "trixie"],
        "components": ["main", "contrib", "non-free", "non-free-firmware"],
        "file": "/etc/apt/sources.list",
    }
]


def gpus(*devices: str, driver: str | None = None) -> list[dict[str, t.Any]]:
    return [
        {
            "address": f"0000:{number:02x}:00.0",
            "device_id": device,
            "architecture": architecture(int(device, 16)),
            "kernel_driver": driver,
            "lost": False,
        }
        for number, device in enumerate(devices, 1)
    ]


def kernel(release: str, **changes: t.Any) -> dict[str, t.Any]:
    return {"release": release, "running": False, "next": False, "headers": False, "module": None, "state": None} | changes


def host(*devices: str, debian: str = "12", **changes: t.Any) -> dict[str, t.Any]:
    info: dict[str, t.Any] = {
        "gpus": gpus(*devices),
        "driver": {"loaded": None, "userland": [], "unpackaged": False},
        "nouveau": False,
        "kernels": [kernel("6.1.0-50-amd64", running=True)],
        "dkms": [],
        "health": {
            "consistent": True,
            "disagreements": [],
            "reboot_required": False,
            "reboot_reasons": [],
            "loadable": False,
            "reloadable": "",
            "next_boot": [],
        },
        "secure_boot": {"state": "unsupported", "enforced": False, "key": None, "key_enrolled": False},
        "packages": {},
        "processes": [],
        "former_keys": [],
        "nvswitches": [],
        "available": {},
        "apt_sources": ENABLED,
        "apt_origins": {},
        "yum_repositories": [],
        "module_stream": "",
        "system": {
            "id": "debian",
            "version": debian,
            "codename": "bookworm",
            "machine": "x86_64",
            "kernel": "6.1.0-50-amd64",
            "initramfs": "update-initramfs",
            "initramfs_outdated": False,
        },
    }
    return info | changes


def plan(info: dict[str, t.Any], **wishes: t.Any) -> dict[str, t.Any]:
    decided: dict[str, t.Any] = nvidia_plan.plan(info, t.cast(Wishes, USUAL_WISHES | wishes))
    return decided
