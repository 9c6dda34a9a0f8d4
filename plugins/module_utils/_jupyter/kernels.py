# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel specifications of conda environments. Pure. Private to this collection."""

from __future__ import annotations

import json
import re
import shlex
import typing as t
from collections.abc import Mapping, Sequence

# The owner tag in a kernel's metadata: kernels without it are somebody else's.
TAG = "openlab.research_server"
# jupyter_client, kernelspec: letters, digits, '.', '-', '_'.
_NAME = re.compile(r"[^A-Za-z0-9._-]")
_LINE_NAME = re.compile(r"^(?:pip:\s*)?(?:[^\s\[]*::)?([A-Za-z0-9_.-]+)")

_START = """\
#!/bin/bash
# Managed by Ansible (openlab.research_server). Starts a kernel in the generation of the environment that is current now, so that
# a later one does not change modules under a running kernel.
prefix=$(readlink -f {prefix}) || exit
eval "$({conda} shell.posix activate "$prefix")"
# Not with '-m', which looks in the folder of the notebook first: what others have put there would run before any cell does.
exec "$prefix/bin/python" -c {launch} "$@"
"""

# What ipykernel_launcher does, but for that.
_LAUNCH = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; "
    "from ipykernel import kernelapp; kernelapp.launch_new_instance()"
)


def kernel_name(environment: str) -> str:
    """Name of the kernel of an environment, which is the name of its folder."""
    return _NAME.sub("-", environment).lower()


def files(folder: str, environment: Mapping[str, t.Any], conda_root: str) -> dict[str, str]:
    """File name -> content of a kernel's folder."""
    prefix = str(environment["prefix"])
    specification = {
        "argv": ["/bin/bash", f"{folder}/start", "-f", "{connection_file}"],
        "display_name": environment.get("display_name") or environment["name"],
        "language": "python",
        "metadata": {"debugger": True, TAG: {"environment": environment["name"], "prefix": prefix}},
    }
    start = _START.format(prefix=shlex.quote(prefix), conda=shlex.quote(f"{conda_root}/bin/conda"), launch=shlex.quote(_LAUNCH))
    return {"kernel.json": json.dumps(specification, indent=2, sort_keys=True) + "\n", "start": start}


def is_ours(text: str) -> bool:
    """True for the kernel.json of a kernel that this collection made."""
    try:
        return TAG in json.loads(text).get("metadata", {})
    except (ValueError, AttributeError, TypeError):
        return False


def will_have(package: str, plan: Mapping[str, Sequence[str]], has_now: bool) -> bool:
    """True if an environment has a package once its plan is carried out."""
    if any(line_name(line) == package for line in plan.get("install", ())):
        return True
    return has_now and not any(line_name(line) == package for line in plan.get("remove", ()))


def line_name(line: str) -> str:
    """Name of the package in a line of a plan, or in a match spec or requirement."""
    found = _LINE_NAME.match(line)
    return found.group(1).lower() if found else ""
