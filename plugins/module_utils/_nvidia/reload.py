# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel modules the loaded NVIDIA driver has, and whether they can be taken out. Private to this collection.

Source: NVIDIA/open-gpu-kernel-modules, kernel-open: the modules and how they depend on each other. Among a module's references
are the modules that use it, and the files that are open (Linux, Documentation/ABI/testing/sysfs-module).
"""

from __future__ import annotations

from pathlib import Path

from .reading import text

# Each is used by none that comes after it.
ORDER = ("nvidia_peermem", "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia")


def loaded_modules(sysfs: Path) -> list[str]:
    """In the order in which they can be taken out."""
    return [name for name in ORDER if (sysfs / "module" / name).is_dir()]


def held(sysfs: Path, but_for: tuple[str, ...] = ()) -> list[str]:
    """What keeps modules in: another driver, or what no process shows, such as the console. Of `but_for` the former alone."""
    found = []
    for name in loaded_modules(sysfs):
        folder = sysfs / "module" / name
        users = sorted(path.name for path in (folder / "holders").glob("*"))
        strangers = [user for user in users if user not in ORDER]
        if strangers:
            found.append(f"the kernel module {', '.join(strangers)}")
        elif name not in but_for and int(text(folder / "refcnt").strip() or 0) > len(users):
            found.append(f"the kernel itself, such as the console ({name})")
    return found
