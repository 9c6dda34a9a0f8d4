# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add packages to a conda installation itself.

It cannot be a generation behind a link: conda's own programs name its path. So it is changed in place, only gets more, and is
brought back to what it was (in_place_backup) if anything goes wrong. Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import typing as t
from collections.abc import Sequence

from .._text.secrets import mask_urls
from . import base_manifest, in_place_backup, manifest
from . import frozen as conda_frozen
from . import pip as conda_pip
from .change import Change
from .errors import CondaEnvError
from .plan import Plan, as_lines
from .prefix import check_imports
from .records import Package, conda_packages, pip_packages
from .solve import Extension, extend
from .specification import Specification
from .task import Options
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


class InPlace(Change):
    """The steps from what an installation has to what the task wants to be there, too."""

    def run(self) -> dict[str, t.Any]:
        """Do what the task says; returns the module's result."""
        refuse(self.options)
        specification = self.task.specification
        if specification is None:
            raise AssertionError("every state but 'present' is refused")
        pending = in_place_backup.pending(self.conda.root)
        written = self.written()
        if not pending and written and written.digest == self.task.digest and manifest.untouched(written):
            return self.task.report(Plan(), self.notes())
        if not self.conda.exists():
            return self.without_conda(specification)
        if self.check_mode:
            # After an interrupted run its copy is what there will be.
            step = self.step(self.workshop(), specification, pending or self.conda.root, bool(pending))
            return self.report(step)
        with self.alone() as handle:
            workshop = self.workshop(handle)
            step = self.step(workshop, specification, self.conda.root, self.repaired)
            if step.pip or step.before != step.after or self.variables(specification, self.conda.root):
                damaged = base_manifest.before_adding(self.conda.root)
                self.extend(workshop, specification, step)
                base_manifest.added_to(self.conda.root, damaged)
            self.remember(specification)
            return self.report(step)

    def remember(self, specification: Specification) -> None:
        """Write down what is there now; `kept` are names of packages that this or a former specification named."""
        root, former = self.conda.root, self.written()
        written = manifest.take(root, self.task.digest, conda_packages(root), lines(specification))
        names = specification.names().union(former.kept if former else ())
        written = dataclasses.replace(written, kept=tuple(sorted(names)))
        manifest.write(written, manifest.BASE_MANIFEST_FILE)

    def written(self) -> manifest.Manifest | None:
        return manifest.load(self.conda.root, manifest.BASE_MANIFEST_FILE)

    def report(self, step: Step) -> dict[str, t.Any]:
        notes = [*self.notes(), *step.notes, *(f"pip check: {line}" for line in step.broken)]
        return self.task.report(step.plan, notes, conda_version=step.conda_version)

    def without_conda(self, specification: Specification) -> dict[str, t.Any]:
        if not self.check_mode:
            raise CondaEnvError(
                f"there is no conda installation at {self.conda.root}",
                "Install one first, for example with the role 'miniconda', or set 'conda_root'.",
            )
        note = f"there is no conda at {self.conda.root} yet: the plan is the specification, not its solution"
        after = (*specification.conda, *(f"pip: {line}" for line in lines(specification)))
        return self.task.report(Plan("extend", ("there is no conda installation",), (), after), [*self.notes(), note])

    def notes(self) -> list[str]:
        """What people should know in any case."""
        frozen = conda_frozen.read(self.conda.root)
        if frozen is None:
            return [ADDED_ONLY]
        return [ADDED_ONLY, f"the installation is marked as frozen ({frozen}); 'allow_base: true' works through it"]

    def ask(self, workshop: Workshop, specification: Specification, prefix: str, install: bool = False) -> Extension:
        written = self.written()
        return extend(workshop, specification, prefix, install=install, former=written.kept if written else ())

    def step(self, workshop: Workshop, specification: Specification, prefix: str, interrupted: bool) -> Step:
        """Ask what is to be done. Nothing is written. `prefix` is the installation, or the copy that it will be again."""
        answer = self.ask(workshop, specification, prefix)
        before = tuple(conda_packages(prefix))
        after = extended(before, answer)
        missing = self.missing(specification, prefix, answer)
        unset = self.variables(specification, prefix)
        reasons = [INTERRUPTED] if interrupted else []
        reasons += ["packages of the specification are missing, or are not as it says"] if before != after else []
        reasons += [f"pip has not installed what the specification says: {mask_urls(line)}" for line in missing]
        reasons += [f"the variable {name} is not as the specification says" for name in unset]
        there = [line for line in specification.pip if line not in missing]
        plan = Plan("extend", tuple(reasons), tuple(as_lines(before, there)), tuple(as_lines(after, (*there, *missing))))
        if not reasons:
            return Step(Plan(), missing, answer.conda_version, before, after, answer.notes)
        broken = conda_pip.problems(prefix, workshop.run, workshop.inside(prefix))
        return Step(plan, missing, answer.conda_version, before, after, answer.notes, tuple(broken))

    def missing(self, specification: Specification, prefix: str, answer: Extension) -> tuple[str, ...]:
        """Lines for pip that are not met. Of some only the last run of pip can tell: nothing of it may have gone since."""
        written = self.written()
        told = written is not None and written.digest == self.task.digest and set(written.pip) <= set(pip_packages(prefix))
        open_ = {*answer.unmet, *(() if told else answer.unknown)}
        return tuple(line for line in specification.pip if line in open_)

    def variables(self, specification: Specification, prefix: str) -> list[str]:
        """Names of variables that activation does not set as it should."""
        found: t.Any = {}
        with (
            contextlib.suppress(OSError, ValueError),
            open(os.path.join(prefix, "conda-meta", "state"), encoding="utf-8") as file,
        ):
            found = json.load(file).get("env_vars", {})
        return [name for name, value in specification.variables if found.get(name) != value]

    def extend(self, workshop: Workshop, specification: Specification, step: Step) -> None:
        """Change the installation, or leave it as it was. The mutex is held."""
        self.conda.make_cache()
        in_place_backup.take(self.conda.root)
        try:
            self.change(workshop, specification, step)
        except BaseException:
            in_place_backup.repair(self.conda.root)
            raise
        os.sync()
        in_place_backup.discard(self.conda.root)

    def change(self, workshop: Workshop, specification: Specification, step: Step) -> None:
        root, run, inside = self.conda.root, workshop.run, workshop.inside(self.conda.root)
        if step.before != step.after or self.variables(specification, root):
            self.ask(workshop, specification, root, install=True)
        if step.pip:
            conda_pip.install(workshop, specification, root, movable=True)
        if set(conda_packages(root)) != set(step.after):
            raise CondaEnvError("conda installed other packages than it had chosen", "Run again.")
        broken = [line for line in conda_pip.problems(root, run, inside) if line not in step.broken]
        if broken:
            raise CondaEnvError(f"pip check: {'; '.join(broken)}", "Correct the versions in the specification.")
        done = run([self.conda.python, "-s", "-c", _WORKS], {**self.environment, "HOME": self.scratch})
        if done.code != 0:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.code}"])[-1]
            raise CondaEnvError(f"conda itself does not work with these packages: {last}", "Choose other versions.", done.output)
        check_imports(root, self.options.smoke, run, inside)


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
