# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a machine of data/nvidia/machines.json as a folder that looks like sysfs. Standard library only: also runs on test hosts.

As a program, ``nvidia_tree.py FOLDER TEXT`` writes each machine of the file's text to FOLDER/<name>.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

EFI = "firmware/efi/efivars"
SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def write(sysfs: Path, functions: Mapping[str, Sequence[str]], *, secure_boot: bool = False, loaded: str = "") -> None:
    if loaded:
        (sysfs / "module/nvidia").mkdir(parents=True, exist_ok=True)
        (sysfs / "module/nvidia/version").write_text(f"{loaded}\n", encoding="ascii")
    if secure_boot:
        (sysfs / EFI).mkdir(parents=True, exist_ok=True)
        (sysfs / EFI / SECURE_BOOT).write_bytes(b"\x06\0\0\0\x01")
    devices = sysfs / "bus/pci/devices"
    devices.mkdir(parents=True, exist_ok=True)
    for address, (vendor, device, kind, *rest) in functions.items():
        folder = devices / address
        folder.mkdir(exist_ok=True)
        for name, value in (("vendor", vendor), ("device", device), ("class", kind)):
            (folder / name).write_text(f"{value}\n", encoding="ascii")
        links = {"physfn": devices / rest[1]} if rest[1:] else {}
        if rest:
            links["driver"] = sysfs / "bus/pci/drivers" / rest[0]
            links["driver"].mkdir(parents=True, exist_ok=True)
        for name, target in links.items():
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(target)


if __name__ == "__main__":
    for name, machine in json.loads(sys.argv[2])["machines"].items():
        more = {key: value for key, value in machine.items() if key in ("secure_boot", "loaded")}
        write(Path(sys.argv[1]) / name, machine["functions"], **more)
