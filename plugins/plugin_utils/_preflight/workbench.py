# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `workbench` must satisfy. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from .jupyter import NAME

# deb-control(5), Package; also fits RPM.
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]+")


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """Say what is wrong with the role's variables; nothing if they can be applied."""
    problems = []
    for variable in ("workbench_packages", "workbench_gpu_packages"):
        problems += [
            f"{variable}: found {name!r}; expected the name of a package, without a version; correct it"
            for name in variables.get(variable, [])
            if not PACKAGE.fullmatch(name)
        ]
    if variables.get("workbench_nbstripout") and "git" not in variables.get("workbench_packages", ["git"]):
        problems.append(
            "workbench_packages: found no 'git'; expected it, as notebooks go into git without outputs; add it, or set "
            "'workbench_nbstripout: false'"
        )
    for name in variables.get("workbench_linger", []):
        if name == "root" or not NAME.fullmatch(name):
            problems.append(f"workbench_linger: found {name!r}; expected login names of people; correct it, or take it out")
    problems += [
        f"workbench_motd: found a line break in {line!r}; expected a line for each item; make several of it"
        for line in variables.get("workbench_motd", [])
        if "\n" in line
    ]
    return problems
