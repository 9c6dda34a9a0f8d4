# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyrings of apt that trust NVIDIA's former key. No program is started. Private to this collection.

Source: NVIDIA/cuda-repo-management, issue 4: 7fa2af80 was given up in April 2022, for 3bf863cc.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from .keyrings import key_ids

FORMER = "f60f4b3d7fa2af80"
PLACES = ("etc/apt/trusted.gpg", "etc/apt/trusted.gpg.d/*", "etc/apt/keyrings/*", "usr/share/keyrings/*")
LIMIT = 1 << 20


def read_former_keys(root: Path, former: str = FORMER) -> list[dict[str, t.Any]]:
    """Their paths, and whether they hold no other key (`alone`)."""
    found = []
    for path in sorted(path for place in PLACES for path in root.glob(place)):
        ids = key_ids(_content(path))
        if former in ids:
            found.append({"path": f"/{path.relative_to(root)}", "alone": set(ids) == {former}})
    return found


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LIMIT)
    except OSError:
        return b""
