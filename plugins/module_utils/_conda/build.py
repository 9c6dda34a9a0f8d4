# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a generation and prove that it works before anyone sees it. Private to this collection."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Mapping, Sequence

from . import manifest
from . import pip as conda_pip
from .additions import NO_EXTRAS, Extras
from .damage import damage
from .errors import CondaEnvError, mask
from .lock import Locked
from .owner import Owner, give
from .process import Runner
from .records import conda_packages, pip_packages
from .solve import Conda, Solution, ask
from .specification import Specification


def build(
    conda: Conda,
    specification: Specification,
    prefix: str,
    *,
    digest: str,
    smoke: Sequence[str],
    run: Runner,
    environment: Mapping[str, str],
    scratch: str,
    extras: Extras = NO_EXTRAS,
    locked: Locked | None = None,
    verify: bool = False,
    owner: Owner | None = None,
) -> tuple[Solution, manifest.State, list[str]]:
    """Fill an unused prefix. Returns conda's answer, the state and warnings. On any error the prefix stays unfinished.

    With `locked` nothing is chosen any more: it says what to install.
    """
    os.makedirs(os.path.dirname(prefix), mode=0o755, exist_ok=True)
    solution = ask(
        conda,
        specification,
        prefix,
        run=run,
        environment=environment,
        scratch=scratch,
        install=True,
        keep=extras.conda,
        records=locked.records if locked else (),
    )
    inside = activated(environment, prefix)
    warnings = conda_pip.problems(prefix, run, inside)
    if specification.pip:
        lines = locked.requirements if locked else ""
        conda_pip.install(
            specification, prefix, run=run, environment=inside, scratch=scratch, offline=conda.offline, locked=lines
        )
    by_specification = set(pip_packages(prefix))
    if extras.pip:
        conda_pip.keep(specification, extras, prefix, run=run, environment=inside, scratch=scratch, offline=conda.offline)
    if specification.pip or extras.pip:
        broken = [line for line in conda_pip.problems(prefix, run, inside) if line not in warnings]
        if broken:
            raise CondaEnvError(f"pip check: {'; '.join(broken)}", "Correct the versions in the pip section.")
    _check_records(prefix, solution)
    check_imports(prefix, smoke, run, inside)
    tidy_permissions(prefix, owner)
    # All of it must be on the disk before the link can point to it: a power cut must not leave a link to empty files.
    os.sync()
    requirements = [mask(line) for line in (*specification.pip, *extras.pip)]
    state = manifest.take(prefix, digest, solution.packages, requirements)
    kept = {*solution.kept, *(item.name for item in state.pip if item not in by_specification)}
    # Some packages change their own files when they are linked: what differs now is no damage later.
    state = dataclasses.replace(state, kept=tuple(sorted(kept)), known_damage=damage(prefix) if verify else None)
    manifest.write(state)
    return solution, state, warnings


def activated(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Variables with which programs of a prefix find each other."""
    return {**environment, "PATH": f"{prefix}/bin:{environment.get('PATH', os.defpath)}", "CONDA_PREFIX": prefix}


def _check_records(prefix: str, solution: Solution) -> None:
    installed = set(conda_packages(prefix))
    wanted = set(solution.packages)
    if installed != wanted:
        names = ", ".join(sorted({item.name for item in installed ^ wanted}))
        raise CondaEnvError(f"conda installed other packages than it had chosen: {names}", "Run again.")
    if not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
        raise CondaEnvError("conda wrote no history: the installation is incomplete", "Run again.")


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
