# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection knows of itself. Private to this collection."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def collection_version() -> str:
    """The version of the installed collection, or of its source."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((ROOT / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
    with contextlib.suppress(OSError, yaml.YAMLError, KeyError):
        return str(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    return "unknown"
