# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines, each in a container: for what containers cannot show, such as a boot and the limits that a kernel keeps.

``.cache/machines/RELEASE.img`` is the disk of a bare server, of which each machine has a copy.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from shell import CACHE, docker, run, say, stage

from . import images

RECIPE = Path(__file__).resolve().parent / "machine"
IMAGE = "research-server/machine:test"
DISKS = CACHE / "machines"
GUEST = "guest.Dockerfile"
DISK_SIZE = "8G"


def ensure() -> None:
    """Build the image of all machines, and the disk of each release, where missing or older than what goes into them."""
    images.ensure()
    digest = _digest("debian13", "Dockerfile", "power")
    if images.label(IMAGE, images.INPUTS_LABEL) != digest:
        with stage(f"building {IMAGE}"):
            _build(IMAGE, "Dockerfile", "debian13", digest)
    for release in images.RELEASES:
        _ensure_disk(release)


def _ensure_disk(release: str) -> None:
    disk, made_of = DISKS / f"{release}.img", DISKS / f"{release}.inputs"
    digest = _digest(release, GUEST)
    if disk.is_file() and made_of.is_file() and made_of.read_text() == digest:
        say(f"the disk of a {release} machine is up to date")
        return
    DISKS.mkdir(parents=True, exist_ok=True)
    guest = f"research-server/{release}-guest:test"
    with stage(f"building the disk of a {release} machine"), tempfile.TemporaryDirectory(prefix="work-", dir=DISKS) as folder:
        _build(guest, GUEST, release, digest)
        container = docker("create", guest)
        try:
            run(["docker", "export", "--output", Path(folder, "tree.tar"), container], timeout=300)
        finally:
            docker("rm", container)
            docker("image", "rm", guest)
        docker(*("run", "--rm", "--volume", f"{folder}:/work", "--entrypoint", "sh", IMAGE, "-ceu", MAKE_DISK), timeout=600)
        Path(folder, "disk.img").replace(disk)
    made_of.write_text(digest)


# In a container, which has the programs, and the right to give files to anybody.
MAKE_DISK = f"""
mkdir /tree
tar --extract --file /work/tree.tar --directory /tree --numeric-owner
rm -f /tree/.dockerenv
truncate --size {DISK_SIZE} /work/disk.img
mke2fs -q -t ext4 -L root -d /tree /work/disk.img
"""


def _build(name: str, recipe: str, release: str, digest: str) -> None:
    labels = ("--label", images.OWNER_LABEL, "--label", f"{images.INPUTS_LABEL}={digest}")
    of = ("--file", RECIPE / recipe, "--build-arg", f"BASE={images.image(release)}")
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    run(["docker", "build", "--quiet", *of, *labels, "--tag", name, RECIPE], timeout=900, env=environment)


def _digest(release: str, *files: str) -> str:
    """Of what it is made of: a release's server, and files of the recipe."""
    made_of = hashlib.sha256(f"{images.label(images.image(release), images.INPUTS_LABEL)}{MAKE_DISK}".encode())
    for file in files:
        made_of.update((RECIPE / file).read_bytes())
    return made_of.hexdigest()
