# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of pip, as this interpreter meets them. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations


def unmet(lines: list[str]) -> tuple[list[str], list[str]]:
    """Requirements of pip that this interpreter does not meet, and those about which the lines alone do not tell."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    missing, unknown = [], []
    for line in lines:
        text = line.split(" #", 1)[0].strip()
        if text.startswith("#"):
            continue
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            # An option alone brings no package.
            if not text.startswith("--") or text.startswith(("--requirement", "--editable")):
                unknown.append(line)
            continue
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            fits = wanted.specifier.contains(version(wanted.name), prereleases=True)
        except PackageNotFoundError:
            fits = False
        if not fits:
            missing.append(line)
        elif wanted.url or wanted.extras:
            unknown.append(line)
    return missing, unknown
