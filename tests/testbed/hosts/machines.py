# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in containers become virtual machines: for what containers cannot show, such as a boot and the limits that a kernel keeps.

QEMU emulates each instruction where there is nothing better, so a server is converged in a container first, with all that a
machine needs on board, and goes on as a machine with the same name and disk, in a container again, which is its power supply.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from shell import TestbedError, docker, run, say, stage

from . import images
from .network import NETWORK

RECIPE = Path(__file__).resolve().parent / "machine"
IMAGE = "research-server/machine:test"
# Source of kernel modules that a guest has.
DRIVER = ("Kbuild", "nvidia.c", "nvidia-uvm.c")
DISK_SECONDS = 600


def guest(release: str) -> str:
    """The image of a server that can become a machine."""
    return f"research-server/{release}-guest:test"


def ensure() -> None:
    """Build the images that are missing or older than what goes into them."""
    images.ensure()
    _ensure_one(IMAGE, "debian13", "Dockerfile", "make-disk", "power")
    for release in images.RELEASES:
        _ensure_one(guest(release), release, "guest.Dockerfile", "initramfs-hook", *(f"driver/{name}" for name in DRIVER))


def _ensure_one(name: str, release: str, recipe: str, *more: str) -> None:
    made_of = hashlib.sha256(images.label(images.image(release), images.INPUTS_LABEL).encode())
    for file in (recipe, *more):
        made_of.update((RECIPE / file).read_bytes())
    digest = made_of.hexdigest()
    if images.label(name, images.INPUTS_LABEL) == digest:
        say(f"{name} is up to date")
        return
    with stage(f"building {name}"):
        labels = ("--label", images.OWNER_LABEL, "--label", f"{images.INPUTS_LABEL}={digest}")
        of = ("--file", RECIPE / recipe, "--build-arg", f"BASE={images.image(release)}")
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        run(["docker", "build", "--quiet", *of, *labels, "--tag", name, RECIPE], timeout=900, env=environment)


def is_on(container: str) -> bool:
    """Whether the server has become a machine."""
    return docker("inspect", "--format", "{{.Config.Image}}", container).strip() == IMAGE


def become(container: str) -> str:
    """Shut the server down and switch the machine on that has its name and disk. Returns its address."""
    docker("stop", "--time", "60", container, timeout=90)
    server = f"{container}-before"
    docker("rename", container, server)
    options = ("--name", container, "--hostname", container, "--label", images.OWNER_LABEL, "--network", NETWORK)
    docker("run", "--detach", *options, "--cap-add", "NET_ADMIN", "--device", "/dev/net/tun", IMAGE)
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    told = docker("inspect", "--format", address, container).strip()
    with subprocess.Popen(["docker", "export", server], stdout=subprocess.PIPE) as archive:
        made = subprocess.run(
            ["docker", "exec", "--interactive", container, "make-disk"], stdin=archive.stdout, timeout=DISK_SECONDS, check=False
        )
    if made.returncode or archive.returncode:
        raise TestbedError(f"the disk of {container} could not be made")
    docker("rm", server)
    docker("exec", container, "touch", "/srv/ready")
    return told
