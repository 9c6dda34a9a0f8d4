# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A prefix with an environment in it: how its programs run, and what must hold of it. Private to this collection."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence

from .errors import CondaEnvError
from .owner import Owner, give
from .process import Runner


def activated(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Variables with which programs of a prefix find each other."""
    return {**environment, "PATH": f"{prefix}/bin:{environment.get('PATH', os.defpath)}", "CONDA_PREFIX": prefix}


def check_imports(prefix: str, smoke: Sequence[str], run: Runner, environment: Mapping[str, str]) -> None:
    """Import modules as people will."""
    if not smoke:
        return
    python = os.path.join(prefix, "bin", "python")
    if not os.access(python, os.X_OK):
        raise CondaEnvError("smoke: there is no Python in the environment", "Add 'python' to the dependencies.")
    for name in smoke:
        done = run([python, "-I", "-c", f"import {name}"], environment)
        if done.code != 0:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.code}"])[-1]
            raise CondaEnvError(
                f"smoke: 'import {name}' fails: {last}",
                "The environment that people use has not been changed. Correct the specification.",
                done.output,
            )


def tidy_permissions(prefix: str, owner: Owner | None = None) -> None:
    """Nothing in a prefix is writable for everyone, or belongs to someone who packed it; all of it to `owner` if there is one."""
    me = os.geteuid(), os.getegid()
    for folder, folders, files in os.walk(prefix):
        for path in [folder, *(os.path.join(folder, name) for name in [*files, *folders])]:
            status = os.lstat(path)
            if owner is not None:
                give(path, owner)
            elif status.st_uid != me[0]:
                os.lchown(path, *me)
            if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
                os.chmod(path, stat.S_IMODE(status.st_mode) & ~stat.S_IWOTH)
