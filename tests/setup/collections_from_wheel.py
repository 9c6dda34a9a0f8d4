#!/usr/bin/env python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack chosen collections, with their dependencies, from the PyPI wheel of `ansible`.

The wheel is the one place from which pip can fetch collections; a lab's controller uses `ansible-galaxy` instead.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path


def closure(wheel: zipfile.ZipFile, wanted: list[str]) -> dict[str, str]:
    """Return {collection: version} of the wanted collections and all they depend on."""
    found: dict[str, str] = {}
    queue = list(wanted)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        manifest = f"ansible_collections/{name.replace('.', '/')}/MANIFEST.json"
        info = json.loads(wheel.read(manifest))["collection_info"]
        found[name] = info["version"]
        queue.extend(info["dependencies"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("collections", nargs="+")
    options = parser.parse_args()
    with zipfile.ZipFile(options.wheel) as wheel:
        versions = closure(wheel, options.collections)
        roots = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in versions)
        wheel.extractall(options.destination, [n for n in wheel.namelist() if n.startswith(roots) and "/tests/" not in n])
    print(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))


if __name__ == "__main__":
    main()
