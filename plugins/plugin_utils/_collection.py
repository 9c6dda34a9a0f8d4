# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection knows of itself. Private to this collection."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import yaml

from ._files import read_report

ROOT = Path(__file__).parents[2]


def collection_version() -> str:
    """The version of the installed collection, or of its source."""
    return str(_information().get("version", "unknown"))


def dependencies() -> dict[str, str]:
    """The collections that this one needs, each with the versions that do."""
    return dict(_information().get("dependencies") or {})


def version_of(place: Path) -> str:
    """The version of any installed collection; empty if it does not tell."""
    return str(_manifest(place).get("version", ""))


def _information() -> dict[str, t.Any]:
    """Of the installed collection, or of its source."""
    installed = _manifest(ROOT)
    if installed:
        return installed
    with contextlib.suppress(OSError, yaml.YAMLError):
        return dict(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8")))
    return {}


def _manifest(place: Path) -> dict[str, t.Any]:
    found = (read_report(place / "MANIFEST.json") or {}).get("collection_info")
    return found if isinstance(found, dict) else {}
