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

from .kernelspecs import Kernelspec

# The owner tag in a kernel's metadata: kernels without it are somebody else's.
TAG = "openlab.research_server"
CONNECTION = "{connection_file}"
# jupyter_client, kernelspec: letters, digits, '.', '-', '_'.
_NAME = re.compile(r"[^A-Za-z0-9._-]")
_LINE_NAME = re.compile(r"^(?:pip:\s*)?(?:[^\s\[]*::)?([A-Za-z0-9_.-]+)")

_START = """\
#!/bin/bash
# Managed by Ansible (openlab.research_server). Starts a kernel in the generation of the environment that is current now, so that
# a later one does not change modules under a running kernel.
environment={prefix}
prefix=$(readlink -f "$environment") || exit
# Without a home: what somebody has set for their own conda does not count here.
activation=$(HOME=/nonexistent {conda} shell.posix activate "$prefix") || exit
eval "$activation"
if [ "$CONDA_PREFIX" != "$prefix" ]; then
    echo "$0: found CONDA_PREFIX=$CONDA_PREFIX after activation; expected $prefix; the kernel is not started" >&2
    exit 1
fi
exec "${{@//"$environment/"/"$prefix/"}}"
"""

# What 'python -m MODULE' does, without looking in the folder of the notebook first (see launch.py).
_AS_MODULE = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; del sys.argv[0]; import runpy; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")


def kernel_name(environment: str, spec: str = "") -> str:
    """Name of a kernel of an environment, which is the name of its folder: the environment's for Python."""
    return _NAME.sub("-", f"{environment}-{spec}" if spec else environment).lower()


def python_kernel(folder: str, environment: Mapping[str, t.Any], conda_root: str, launch: str) -> dict[str, str]:
    """File name -> content of the folder of a Python kernel; `launch` is the text of launch.py."""
    command = [f"{environment['prefix']}/bin/python", f"{folder}/launch.py", "-f", CONNECTION]
    named = {"display_name": _shown(environment), "language": "python", "metadata": {"debugger": True}}
    return {**_files(folder, environment, conda_root, command, named), "launch.py": launch}


def other_kernel(
    folder: str, environment: Mapping[str, t.Any], conda_root: str, spec: Kernelspec, generation: str
) -> dict[str, str]:
    """The same for a kernel that a package brings. What is in there names `generation`, the prefix that it was installed to."""

    def by_name(value: t.Any) -> t.Any:
        return value.replace(generation, str(environment["prefix"])) if isinstance(value, str) else value

    command = [by_name(word) for word in spec.argv]
    if len(command) > 2 and _PYTHON.fullmatch(command[0]) and command[1] == "-m":
        command[1:2] = ["-c", _AS_MODULE]
    named = {**spec.rest, "display_name": f"{_shown(environment)} ({spec.display_name})", "language": spec.language}
    named["env"] = {key: by_name(value) for key, value in spec.rest.get("env", {}).items()}
    return _files(folder, environment, conda_root, command, named)


def _shown(environment: Mapping[str, t.Any]) -> str:
    return str(environment.get("display_name") or environment["name"])


def _files(
    folder: str, environment: Mapping[str, t.Any], conda_root: str, command: Sequence[str], named: Mapping[str, t.Any]
) -> dict[str, str]:
    prefix = str(environment["prefix"])
    tag = {TAG: {"environment": environment["name"], "prefix": prefix}}
    specification = {
        **named,
        "argv": ["/bin/bash", f"{folder}/start", *command],
        "metadata": {**named.get("metadata", {}), **tag},
    }
    start = _START.format(prefix=shlex.quote(prefix), conda=shlex.quote(f"{conda_root}/bin/conda"))
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
