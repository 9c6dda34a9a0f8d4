# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a generation and prove that it works before anyone sees it. Private to this collection."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from .._text.secrets import mask_urls
from . import manifest
from . import pip as conda_pip
from .additions import NO_ADDITIONS, Additions
from .damage import first_look, noted
from .errors import CondaEnvError
from .lock import Locked
from .owner import Owner
from .prefix import check_imports, tidy_permissions
from .records import conda_packages, pip_packages
from .solve import Solution, ask
from .specification import Specification
from .workshop import Workshop


@dataclasses.dataclass(frozen=True)
class Wishes:
    """How a generation is to be built, beside what the specification says.

    With `locked` nothing is chosen any more: it says what to install.
    """

    digest: str
    smoke: Sequence[str] = ()
    additions: Additions = NO_ADDITIONS
    locked: Locked | None = None
    owner: Owner | None = None


def build(
    workshop: Workshop, specification: Specification, prefix: str, wishes: Wishes
) -> tuple[Solution, manifest.Manifest, list[str]]:
    """Fill an unused prefix. Returns conda's answer, the manifest and warnings. On any error the prefix stays unfinished."""
    os.makedirs(os.path.dirname(prefix), mode=0o755, exist_ok=True)
    added, locked = wishes.additions, wishes.locked
    records = locked.records if locked else ()
    solution = ask(workshop, specification, prefix, install=True, keep=added.conda, records=records)
    inside = workshop.inside(prefix)
    warnings = conda_pip.problems(prefix, workshop.run, inside)
    if specification.pip:
        conda_pip.install(workshop, specification, prefix, locked=locked.requirements if locked else "")
    by_specification = set(pip_packages(prefix))
    if added.pip:
        conda_pip.keep(workshop, specification, added, prefix)
    if specification.pip or added.pip:
        broken = [line for line in conda_pip.problems(prefix, workshop.run, inside) if line not in warnings]
        if broken:
            raise CondaEnvError(f"pip check: {'; '.join(broken)}", "Correct the versions in the pip section.")
    _check_records(prefix, solution)
    workshop.sweep()
    check_imports(prefix, wishes.smoke, workshop.run, inside)
    tidy_permissions(prefix, wishes.owner)
    # All of it must be on the disk before the link can point to it: a power cut must not leave a link to empty files.
    os.sync()
    requirements = [mask_urls(line) for line in (*specification.pip, *added.pip)]
    written = manifest.take(prefix, wishes.digest, solution.packages, requirements)
    kept = {*solution.kept, *(item.name for item in written.pip if item not in by_specification)}
    written = noted(dataclasses.replace(written, kept=tuple(sorted(kept))), first_look(prefix))
    manifest.write(written)
    return solution, written, warnings


def _check_records(prefix: str, solution: Solution) -> None:
    installed = set(conda_packages(prefix))
    wanted = set(solution.packages)
    if installed != wanted:
        names = ", ".join(sorted({item.name for item in installed ^ wanted}))
        raise CondaEnvError(f"conda installed other packages than it had chosen: {names}", "Run again.")
    if not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
        raise CondaEnvError("conda wrote no history: the installation is incomplete", "Run again.")
