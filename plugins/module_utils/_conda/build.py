# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill a generation with what a specification says: packages that conda chooses, or that a lock names, and what pip brings.

Private to this collection.
"""

from __future__ import annotations

import dataclasses
import os

from .._nvidia.cuda import beside
from .._nvidia.cuda_needs import of_records, of_requirements, of_specs
from .._text.secrets import mask_urls
from . import manifest
from . import pip as conda_pip
from .actual import as_lines
from .additions import NO_ADDITIONS, Additions, additions
from .damage import first_look, noted
from .errors import CondaEnvError
from .frame import Frame
from .gpus import fitting, needs_of_pip
from .lock import pip_lines
from .prefix import check_imports, tidy_permissions
from .present import Content
from .records import conda_packages, pip_packages
from .solve import Solution, ask
from .specification import Specification
from .workshop import Workshop


@dataclasses.dataclass(frozen=True)
class Specified:
    """A source (present.Source). With a lock nothing is chosen any more: it says what to install."""

    frame: Frame
    specification: Specification
    awaited = False

    def require(self) -> None:
        self.frame.workshop.installation.require()

    def foresee(self) -> Content:
        task, conda = self.frame.task, self.frame.workshop.installation
        locked, pip = task.locked, self.specification.pip
        notes = self._fitting()
        if not conda.exists():
            if locked:
                return Content(as_lines(locked.packages, pip), notes)
            return Content([*self.specification.conda, *as_lines((), pip)], [conda.unsolved(), *notes])
        added = self._additions()
        # A lock is asked about, too: its packages may not go with this host, or its owner may forbid them.
        solution = self._ask(self.frame.workshop, task.layout.next(task.digest), added, install=False)
        packages = locked.packages if locked else solution.packages
        return self._content(solution, as_lines(packages, (*pip, *added.pip)), notes)

    def fill(self, workshop: Workshop, prefix: str) -> Content:
        told = self._fitting()
        workshop.installation.make_cache()
        task, pip, added = self.frame.task, self.specification.pip, self._additions()
        solution = self._ask(workshop, prefix, added, install=True)
        inside = workshop.inside(prefix)
        warnings = conda_pip.problems(prefix, workshop.run, inside)
        if pip:
            conda_pip.install(workshop, self.specification, prefix, locked=task.locked.requirements if task.locked else "")
        by_specification = set(pip_packages(prefix))
        if added.pip:
            conda_pip.keep(workshop, self.specification, added, prefix)
        if pip or added.pip:
            broken = [line for line in conda_pip.problems(prefix, workshop.run, inside) if line not in warnings]
            if broken:
                raise CondaEnvError(f"pip check: {'; '.join(broken)}", "Correct the versions in the pip section.")
            told = fitting(needs_of_pip(prefix), workshop.gpu)
        _check_records(prefix, solution)
        workshop.sweep()
        check_imports(prefix, task.options.smoke, workshop.run, inside)
        tidy_permissions(prefix, task.owner)
        # All of it must be on the disk before the link can point to it: a power cut must not leave a link to empty files.
        os.sync()
        requirements = [mask_urls(line) for line in (*pip, *added.pip)]
        written = manifest.take(prefix, task.digest, solution.packages, requirements)
        kept = {*solution.kept, *(item.name for item in written.pip if item not in by_specification)}
        manifest.write(noted(dataclasses.replace(written, kept=tuple(sorted(kept))), first_look(prefix)))
        content = self._content(solution, as_lines(solution.packages, (*pip, *added.pip)), told)
        notes = [*content.notes, *(f"pip check: {line}" for line in warnings)]
        return Content(content.lines, notes, {**content.more, "packages": written.packages()})

    def _additions(self) -> Additions:
        """What of the present environment is to stay beside the specification."""
        task = self.frame.task
        return NO_ADDITIONS if task.prune else additions(task.layout.current() or task.layout.link, self.specification)

    def _ask(self, workshop: Workshop, prefix: str, added: Additions, *, install: bool) -> Solution:
        locked = self.frame.task.locked
        records = locked.records if locked else ()
        return ask(workshop, self.specification, prefix, install=install, keep=added.conda, records=records)

    def _fitting(self) -> list[str]:
        """What can be told of the GPU before anything is asked: what conda chooses is compared when it has chosen."""
        locked, gpu = self.frame.task.locked, self.frame.workshop.gpu
        asked = [*of_specs(self.specification.conda), *of_records(locked.records if locked else ())]
        fitting(asked, gpu)
        return fitting(beside(of_requirements(line for _file, line in pip_lines(self.specification)), asked), gpu)

    def _content(self, solution: Solution, lines: list[str], told: list[str]) -> Content:
        locked = self.frame.task.locked
        other = locked.lock.other_solver(solution.solver) if locked else ()
        return Content(lines, [*solution.notes, *told, *other], {"conda_version": solution.conda_version})


def _check_records(prefix: str, solution: Solution) -> None:
    installed = set(conda_packages(prefix))
    wanted = set(solution.packages)
    if installed != wanted:
        names = ", ".join(sorted({item.name for item in installed ^ wanted}))
        raise CondaEnvError(f"conda installed other packages than it had chosen: {names}", "Run again.")
    if not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
        raise CondaEnvError("conda wrote no history: the installation is incomplete", "Run again.")
