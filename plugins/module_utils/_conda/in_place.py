# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add packages to a conda installation itself.

It cannot be a generation behind a link: conda's own programs name its path. So it is changed in place, only gets more, and is
brought back to what it was (in_place_backup) if anything goes wrong. Private to this collection.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t
from collections.abc import Sequence

from .._text.secrets import mask_urls
from . import base_manifest, in_place_backup, manifest
from . import frozen as conda_frozen
from . import pip as conda_pip
from .actual import as_lines
from .errors import CondaEnvError
from .frame import Frame
from .options import Options
from .plan import Plan
from .prefix import check_imports
from .records import Package, conda_packages, pip_packages, read_json
from .solve import Extension, extend
from .specification import Specification
from .workshop import Workshop

ADDED_ONLY = "packages are added to the conda installation itself: nothing is removed from it, 'prune' has no effect"
INTERRUPTED = "a run was interrupted while it changed the installation: what was there before is brought back"
# conda starts, and finds the solver that it is configured for.
_WORKS = (
    "from conda.base.context import context, reset_context\n"
    "reset_context(search_path=())\n"
    "context.plugin_manager.get_cached_solver_backend()\n"
)


@dataclasses.dataclass(frozen=True)
class Step:
    """What is to be done: the plan, lines that pip is to be given, what the solver says, and what `pip check` said before."""

    plan: Plan
    pip: tuple[str, ...]
    conda_version: str
    before: tuple[Package, ...]
    after: tuple[Package, ...]
    notes: tuple[str, ...]
    broken: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class InPlace:
    """The steps from what an installation has to what the task wants to be there, too."""

    frame: Frame
    specification: Specification

    @classmethod
    def of(cls, frame: Frame) -> InPlace:
        """Raises CondaEnvError for a task that makes no sense here."""
        refuse(frame.task.options)
        if frame.task.specification is None:
            raise AssertionError("every state but 'present' is refused")
        return cls(frame, frame.task.specification)

    @property
    def root(self) -> str:
        return self.frame.task.root

    def run(self) -> dict[str, t.Any]:
        """Do what the task says; returns the module's result."""
        frame, task = self.frame, self.frame.task
        pending, written = in_place_backup.pending(self.root), self.written()
        if not pending and written and written.digest == task.digest and manifest.untouched(written):
            return task.report(Plan(), self.notes())
        if frame.check_mode:
            return self.foresee(pending)
        frame.workshop.installation.require()
        with frame.mutex(task.options.lock_timeout) as workshop:
            repaired = in_place_backup.repair(self.root)
            step = self.step(workshop, self.root, repaired)
            if step.pip or step.before != step.after or self.variables(self.root):
                damaged = base_manifest.before_adding(self.root)
                self.extend(workshop, step)
                base_manifest.added_to(self.root, damaged)
            self.remember()
            return self.report(step)

    def foresee(self, pending: str) -> dict[str, t.Any]:
        """What the run would do. After an interrupted one its copy is what there will be."""
        conda = self.frame.workshop.installation
        if conda.exists():
            return self.report(self.step(self.frame.workshop, pending or self.root, bool(pending)))
        after = (*self.specification.conda, *(f"pip: {line}" for line in lines(self.specification)))
        plan = Plan("extend", ("there is no conda installation",), (), after)
        return self.frame.task.report(plan, [*self.notes(), conda.unsolved()])

    def remember(self) -> None:
        """Write down what is there now; `kept` are names of packages that this or a former specification named."""
        former = self.written()
        written = manifest.take(self.root, self.frame.task.digest, conda_packages(self.root), lines(self.specification))
        names = self.specification.names().union(former.kept if former else ())
        manifest.write(dataclasses.replace(written, kept=tuple(sorted(names))), manifest.BASE_MANIFEST_FILE)

    def written(self) -> manifest.Manifest | None:
        return manifest.load(self.root, manifest.BASE_MANIFEST_FILE)

    def report(self, step: Step) -> dict[str, t.Any]:
        notes = [*self.notes(), *step.notes, *(f"pip check: {line}" for line in step.broken)]
        return self.frame.task.report(step.plan, notes, conda_version=step.conda_version)

    def notes(self) -> list[str]:
        """What people should know in any case."""
        frozen = conda_frozen.read(self.root)
        if frozen is None:
            return [ADDED_ONLY]
        return [ADDED_ONLY, f"the installation is marked as frozen ({frozen}); 'allow_base: true' works through it"]

    def ask(self, workshop: Workshop, prefix: str, install: bool = False) -> Extension:
        written = self.written()
        return extend(workshop, self.specification, prefix, install=install, former=written.kept if written else ())

    def step(self, workshop: Workshop, prefix: str, interrupted: bool) -> Step:
        """Ask what is to be done. Nothing is written. `prefix` is the installation, or the copy that it will be again."""
        answer = self.ask(workshop, prefix)
        before = tuple(conda_packages(prefix))
        after = extended(before, answer)
        missing = self.missing(prefix, answer)
        unset = self.variables(prefix)
        reasons = [INTERRUPTED] if interrupted else []
        reasons += ["packages of the specification are missing, or are not as it says"] if before != after else []
        reasons += [f"pip has not installed what the specification says: {mask_urls(line)}" for line in missing]
        reasons += [f"the variable {name} is not as the specification says" for name in unset]
        there = [line for line in self.specification.pip if line not in missing]
        plan = Plan("extend", tuple(reasons), tuple(as_lines(before, there)), tuple(as_lines(after, (*there, *missing))))
        if not reasons:
            return Step(Plan(), missing, answer.conda_version, before, after, answer.notes)
        broken = conda_pip.problems(prefix, workshop.run, workshop.inside(prefix))
        return Step(plan, missing, answer.conda_version, before, after, answer.notes, tuple(broken))

    def missing(self, prefix: str, answer: Extension) -> tuple[str, ...]:
        """Lines for pip that are not met. Of some only the last run of pip can tell: nothing of it may have gone since."""
        written = self.written()
        told = written is not None and written.digest == self.frame.task.digest and set(written.pip) <= set(pip_packages(prefix))
        open_ = {*answer.unmet, *(() if told else answer.unknown)}
        return tuple(line for line in self.specification.pip if line in open_)

    def variables(self, prefix: str) -> list[str]:
        """Names of variables that activation does not set as it should."""
        found = (read_json(os.path.join(prefix, "conda-meta", "state")) or {}).get("env_vars", {})
        return [name for name, value in self.specification.variables if found.get(name) != value]

    def extend(self, workshop: Workshop, step: Step) -> None:
        """Change the installation, or leave it as it was. The mutex is held."""
        workshop.installation.make_cache()
        in_place_backup.take(self.root)
        try:
            self.change(workshop, step)
        except BaseException:
            in_place_backup.repair(self.root)
            raise
        os.sync()
        in_place_backup.discard(self.root)

    def change(self, workshop: Workshop, step: Step) -> None:
        root, run, inside = self.root, workshop.run, workshop.inside(self.root)
        if step.before != step.after or self.variables(root):
            self.ask(workshop, root, install=True)
        if step.pip:
            conda_pip.install(workshop, self.specification, root, movable=True)
        if set(conda_packages(root)) != set(step.after):
            raise CondaEnvError("conda installed other packages than it had chosen", "Run again.")
        broken = [line for line in conda_pip.problems(root, run, inside) if line not in step.broken]
        if broken:
            raise CondaEnvError(f"pip check: {'; '.join(broken)}", "Correct the versions in the specification.")
        done = run([workshop.installation.python, "-s", "-c", _WORKS], {**workshop.environment, "HOME": workshop.scratch})
        if done.code != 0:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.code}"])[-1]
            raise CondaEnvError(f"conda itself does not work with these packages: {last}", "Choose other versions.", done.output)
        check_imports(root, self.frame.task.options.smoke, run, inside)


def refuse(options: Options) -> None:
    """Refuse what makes no sense for an installation that is changed in place."""
    found = [f"state: {options.state}"] if options.state != "present" else []
    found += [key for key in ("lock", "archive", "frozen", "owner", "group") if getattr(options, key)]
    found += [f"verify: {options.verify}"] if options.verify != "metadata" else []
    if found:
        raise CondaEnvError(
            f"found {', '.join(found)} for the conda installation itself; with 'allow_base' packages can only be added to it",
            "Leave that out, or give the environment another name.",
        )


def extended(before: Sequence[Package], answer: Extension) -> tuple[Package, ...]:
    """Packages that are there afterwards."""
    stay = [package for package in before if package.name not in answer.replaced]
    return tuple(sorted([*stay, *answer.packages]))


def lines(specification: Specification) -> list[str]:
    """Lines of the pip section as they may be written down."""
    return [mask_urls(line) for line in specification.pip]
