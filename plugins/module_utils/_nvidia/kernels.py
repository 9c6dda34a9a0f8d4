# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels a host has, and what DKMS did with the NVIDIA driver for each. Reads files only. Private to this collection."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from .._host.kernels import boots_next
from . import state

TREE = "var/lib/dkms"
# Where modules lie that somebody else than DKMS has built: NVIDIA's own installer, Ubuntu's signed ones, the RHEL family's kmods.
OTHERS = (
    "kernel/drivers/video",
    "kernel/nvidia-*",
    "kernel/nvidia-*/*",
    "updates",
    "extra",
    "extra/*",
    "weak-updates",
    "weak-updates/*",
)
# The first line of DKMS's log, which stays in the folder `build` of what it could not build.
LOG = re.compile(r"make\.log for \S+ for kernel (\S+)")


def read_kernels(root: Path, running: str) -> list[dict[str, t.Any]]:
    """Kernels with a folder of modules, oldest first.

    DKMS keeps what it built in <module>/<version>/<kernel>/<machine>, and a link kernel-<kernel>-<machine> to what it installed.
    """
    tree = root / TREE
    built = {path.parent.parent.name for path in tree.glob("nvidia*/*/*/*/module")}
    failed = {found[1] for log in tree.glob("nvidia*/*/build/make.log") for found in [LOG.search(_head(log))] if found}
    installed: dict[str, str] = {}
    for link in sorted(tree.glob("nvidia*/kernel-*")):
        if link.is_symlink():
            version, kernel = Path(os.readlink(link)).parts[-3:-1]
            installed[kernel] = version
    following = boots_next([path.name[len("vmlinuz-") :] for path in (root / "boot").glob("vmlinuz-*")], running)
    kernels = []
    for folder in sorted((root / "lib/modules").glob("*"), key=lambda path: state.version_key(path.name)):
        release = folder.name
        states = (
            ("installed", release in installed),
            ("built", release in built),
            ("other", any(True for place in OTHERS for _module in folder.glob(f"{place}/nvidia*.ko*"))),
            ("failed", release in failed),
        )
        kernels.append(
            {
                "release": release,
                "running": release == running,
                "next": release == following,
                "headers": (folder / "build").is_dir() or (root / "usr/src" / f"linux-headers-{release}").is_dir(),
                "module": installed.get(release),
                "state": next((name for name, holds in states if holds), None),
            }
        )
    return kernels


def read_dkms(root: Path) -> list[str]:
    """What DKMS can build of the driver, as `module/version`."""
    return sorted(str(path.parent.relative_to(root / TREE)) for path in (root / TREE).glob("nvidia*/*/source"))


def _head(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""
