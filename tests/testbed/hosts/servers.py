# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bare servers as a cloud image leaves them: sshd on port 22, an administrator `ops` with a key, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shell import docker

from .images import OWNER_LABEL, image
from .network import NETWORK

ADMINISTRATOR = "ops"
# A container sees the machine's PCI bus, and is not the one to drive a GPU that it may find there.
EMPTY_SYSFS = "/var/lib/testbed-sysfs"
# What a container needs so that systemd runs in it as it does on a machine; see the images' own notes.
PRIVILEGES = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
)


@dataclass(frozen=True)
class Server:
    """A running server: its container's name, its address, and the public part of its ed25519 host key."""

    name: str
    address: str
    identity: str

    def known_hosts_line(self) -> str:
        return f"{self.address} {self.identity}\n"


def start(containers: dict[str, str], administrator_key: str) -> list[Server]:
    """Fresh servers, release by container name; those that were there before are replaced."""
    setup = Path(__file__).with_name("administrator.sh").read_text(encoding="utf-8")
    for name, release in containers.items():
        remove([name])
        docker(
            *("run", "--detach", "--name", name, "--hostname", name, "--label", OWNER_LABEL),
            *("--network", NETWORK, *PRIVILEGES, image(release)),
        )
        docker("exec", name, "mkdir", "-p", f"{EMPTY_SYSFS}/bus/pci/devices")
    servers = []
    for name in containers:
        told = docker("exec", "--env", f"KEY={administrator_key}", name, "sh", "-c", setup, timeout=90).splitlines()
        servers.append(Server(name, told[0], told[1]))
    return servers


def remove(containers: Sequence[str]) -> None:
    for name in containers:
        docker("rm", "--force", "--volumes", name, check=False)
