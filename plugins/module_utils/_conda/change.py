# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an environment what a task asks for, or say what that would change. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t
from collections.abc import Iterator

from .._text.secrets import mask_urls
from . import additions, environments_txt, in_place_backup, manifest, rollback
from . import damage as conda_damage
from . import frozen as conda_frozen
from . import generations as conda_generations
from .build import Wishes, build
from .errors import CondaEnvError, secrets
from .generations import Found
from .mutex import exclusive, mutex_file, writable_home
from .plan import Actual, Plan, as_lines, reasons
from .process import clean_environment, runner
from .records import conda_packages, pip_packages
from .solve import Solution, ask
from .specification import Specification
from .task import Task
from .workshop import PACKAGE_CACHE, PRIVATE_CACHE, Installation, Workshop


class Change:
    """The steps from what is there to what the task asks for."""

    def __init__(self, task: Task, check_mode: bool, scratch: str) -> None:
        self.task = task
        self.options = task.options
        self.layout = task.layout
        self.check_mode = check_mode
        self.scratch = scratch
        self.conda = Installation(
            root=task.root,
            pkgs_dir=os.path.join(writable_home(task.root), self.package_cache()),
            settings=self.options.settings,
            offline=self.options.offline,
        )
        self.environment = clean_environment(os.environ, scratch)
        self.repaired = False

    def package_cache(self) -> str:
        """conda writes the URLs of packages into its cache: one that others cannot enter, if they carry credentials."""
        definition, settings = self.options.definition, self.options.settings
        channels = definition.get("channels") if isinstance(definition, dict) else None
        places = [settings.channel_alias, settings.custom_channels, settings.default_channels]
        return PRIVATE_CACHE if secrets([channels, self.options.channels, *places]) else PACKAGE_CACHE

    def run(self) -> dict[str, t.Any]:
        """Do what the task says; returns the module's result."""
        if self.task.specification:
            return self.present(self.task.specification)
        return self.absent() if self.options.state == "absent" else self.rolled_back()

    @contextlib.contextmanager
    def alone(self) -> Iterator[int]:
        """Be the only writer, in an installation that works."""
        with exclusive(mutex_file(self.conda.root), self.layout.name, self.options.lock_timeout) as handle:
            self.repaired = in_place_backup.repair(self.conda.root)
            yield handle

    def read(self) -> tuple[Actual, tuple[str, ...]]:
        """What is there, and why that is not what should be."""
        digest = self.task.digest
        found = self.layout.found()
        if found is Found.MISSING:
            return Actual(), reasons(Actual(), digest, False)
        conda_generations.require_room(self.layout, found, self.options.adopt)
        generation = self.layout.current() if found is Found.GENERATION else None
        written = manifest.load(generation) if generation else None
        confirmed = manifest.confirm(written) if written else None
        frozen = conda_frozen.read(generation or self.layout.link)
        prune = self.task.prune
        # Also where records differ: one change hides no other.
        looked_at = confirmed or written
        damaged = conda_damage.of(looked_at, self.options.verify) if looked_at else ()
        owned = tuple(filter(None, (self.task.owner.reason(generation),))) if self.task.owner and generation else ()
        right = confirmed is not None and confirmed.digest == digest and not (prune and confirmed.kept)
        if confirmed is not None and right and not damaged and not owned:
            return Actual(exists=True, manifest=confirmed, frozen=frozen, unwritten=confirmed is not written), ()
        drift = written is not None and confirmed is None
        prefix = generation or self.layout.link
        unreadable = ""
        try:
            conda = tuple(conda_packages(prefix))
        except CondaEnvError as error:
            unreadable, conda = error.cause, written.conda if written else ()
        pip = tuple(pip_packages(prefix))
        actual = Actual(True, written, conda, pip, unreadable, frozen, additions.shadows(prefix, pip), damage=damaged)
        accepted = None if prune else additions.tolerated(actual)
        if accepted is not None:
            damaged = conda_damage.of(accepted, self.options.verify)
            actual, drift = dataclasses.replace(actual, manifest=accepted, unwritten=True, damage=damaged), False
        return actual, (*reasons(actual, digest, drift, prune), *owned, *conda_damage.reasons(damaged))

    def present(self, specification: Specification) -> dict[str, t.Any]:
        actual, why = self.read()
        adjusted = Plan() if why else self.adjusted(actual)
        if not why and not adjusted.changed and not self.task.untidy():
            self.note(actual)
            return self.task.report(adjusted)
        if self.check_mode:
            return self.foresee(specification, actual, why) if why else self.task.report(adjusted)
        if why and not self.conda.exists():
            raise CondaEnvError(
                f"there is no conda installation at {self.conda.root}",
                "Install one first, for example with the role 'miniconda', or set 'conda_root'.",
            )
        with self.alone() as handle:
            # Another run may have done it while this one waited.
            actual, why = self.read()
            if not why:
                self.write(actual)
                return self.task.report(self.adjust(actual), swept=self.sweep())
            return self.replace(specification, actual, why, handle)

    def note(self, actual: Actual) -> None:
        """Write down what was found to be right, so that the next run sees it at a glance; but wait for nobody to do so."""
        if self.check_mode or not actual.unwritten:
            return
        with (
            contextlib.suppress(CondaEnvError, OSError),
            exclusive(mutex_file(self.conda.root), self.layout.name, 0),
        ):
            again, why = self.read()
            if not why:
                self.write(again)

    def write(self, actual: Actual) -> None:
        """The same; the mutex is held."""
        if actual.unwritten and actual.manifest is not None:
            manifest.write(actual.manifest)

    def foresee(self, specification: Specification, actual: Actual, why: tuple[str, ...]) -> dict[str, t.Any]:
        """The plan of `replace`, from the same lock or solve, without writing anything."""
        told = conda_generations.foreign_link(self.layout)
        locked = self.task.locked
        if not self.conda.exists():
            if locked:
                return self.task.report(self.plan(actual, why, as_lines(locked.packages, specification.pip)), told)
            note = f"there is no conda at {self.conda.root} yet: the plan is the specification, not its solution"
            after = [*specification.conda, *(f"pip: {mask_urls(line)}" for line in specification.pip)]
            return self.task.report(self.plan(actual, why, after), [*told, note])
        added = self.additions(specification)
        prefix = self.layout.next(self.task.digest)
        # A lock is asked about, too: its packages may not go with this host, or its owner may forbid them.
        records = locked.records if locked else ()
        solution = ask(self.workshop(), specification, prefix, install=False, keep=added.conda, records=records)
        packages = locked.packages if locked else solution.packages
        plan = self.plan(actual, why, as_lines(packages, (*specification.pip, *added.pip)))
        notes = [*told, *solution.notes, *self.other_solver(solution)]
        return self.task.report(plan, notes, conda_version=solution.conda_version)

    def replace(self, specification: Specification, actual: Actual, why: tuple[str, ...], handle: int) -> dict[str, t.Any]:
        """Build a generation and switch to it. The mutex is held."""
        self.conda.make_cache()
        # What a killed run left goes first: it may be what fills the disk.
        swept = self.sweep()
        prefix = self.layout.next(self.task.digest)
        wishes = Wishes(
            digest=self.task.digest,
            smoke=self.options.smoke,
            additions=self.additions(specification),
            locked=self.task.locked,
            owner=self.task.owner,
        )
        try:
            solution, written, warnings = build(self.workshop(handle), specification, prefix, wishes)
        except (CondaEnvError, OSError):
            if os.path.lexists(prefix):
                conda_generations.remove(self.layout, [prefix])
            raise
        conda_frozen.write(prefix, self.task.frozen)
        told = conda_generations.foreign_link(self.layout)
        kept = self.switch(prefix)
        return self.task.report(
            self.plan(actual, why, as_lines(solution.packages, (*specification.pip, *wishes.additions.pip))),
            [*told, *solution.notes, *self.other_solver(solution), *(f"pip check: {line}" for line in warnings)],
            conda_version=solution.conda_version,
            packages=[vars(package) for package in (*written.conda, *written.pip)],
            swept=swept + self.sweep(),
            **({"kept": kept} if kept else {}),
        )

    def other_solver(self, solution: Solution) -> tuple[str, ...]:
        """A note if the lock comes from another solver than that of this host."""
        return self.task.locked.lock.other_solver(solution.solver) if self.task.locked else ()

    def switch(self, prefix: str) -> str | None:
        """Let people have a generation; returns where a directory went that stood there."""
        kept = conda_generations.switch(self.layout, prefix)
        if os.path.dirname(self.layout.link) != os.path.join(self.conda.root, "envs"):
            environments_txt.add(self.layout.link)
        return kept

    def workshop(self, *handles: int) -> Workshop:
        """The programs that it starts keep these files open, and with them the mutex."""
        return Workshop(self.conda, runner(*handles), self.environment, self.scratch)

    def additions(self, specification: Specification) -> additions.Additions:
        """What of the present environment is to stay beside the specification."""
        if self.task.prune:
            return additions.NO_ADDITIONS
        return additions.additions(self.layout.current() or self.layout.link, specification)

    def adjusted(self, actual: Actual) -> Plan:
        """What is to be done to an environment whose packages are right."""
        reason = conda_frozen.reason(actual.frozen, self.task.frozen)
        before, after = conda_frozen.line(actual.frozen), conda_frozen.line(self.task.frozen)
        return Plan("adjust", (reason,), settings_before=before, settings_after=after) if reason else Plan()

    def adjust(self, actual: Actual) -> Plan:
        """Do it. The mutex is held."""
        plan = self.adjusted(actual)
        generation = self.layout.current()
        if plan.changed and generation is not None:
            conda_frozen.write(generation, self.task.frozen)
        return plan

    def rolled_back(self) -> dict[str, t.Any]:
        wanted = self.options.generation or ""
        step = rollback.choose(self.layout, wanted)
        if not step.target or self.check_mode:
            return self.task.report(self.back(step), step.notes)
        with self.alone():
            step = rollback.choose(self.layout, wanted)
            plan = self.back(step)
            if step.target:
                rollback.mark(step.target, self.layout.current())
                conda_generations.switch(self.layout, step.target)
        return self.task.report(plan, step.notes)

    def back(self, step: rollback.Step) -> Plan:
        """A switch to another generation as a plan."""
        if not step.target:
            return Plan()
        current = self.layout.current()
        reason = f"the environment is to be {os.path.basename(step.target)} again"
        return Plan("roll_back", (reason,), contents(current), contents(step.target))

    def absent(self) -> dict[str, t.Any]:
        found = self.layout.found()
        if found is Found.OTHER:
            conda_generations.require_room(self.layout, found, True)
        prefix = self.layout.current() or self.layout.link
        generations = self.layout.generations()
        if found is Found.MISSING and not generations:
            if not self.check_mode:  # a killed run left something
                with self.alone():
                    conda_generations.remove(self.layout, ())
            return self.task.report(Plan())
        before = contents(prefix) if found in (Found.GENERATION, Found.ENVIRONMENT) else ()
        plan = Plan("remove", ("the environment is to be absent",), before)
        told = conda_generations.foreign_link(self.layout)
        if not self.check_mode:
            with self.alone():
                conda_generations.remove(self.layout, conda_generations.take_away(self.layout))
                environments_txt.forget(self.layout.contains)
        return self.task.report(plan, told)

    def plan(self, actual: Actual, why: tuple[str, ...], after: list[str]) -> Plan:
        settings = conda_frozen.line(actual.frozen), conda_frozen.line(self.task.frozen)
        damaged, whole = conda_damage.sides(actual.damage)
        if damaged and self.check_mode and self.options.verify == conda_damage.FILES:
            # The run that follows may read another share of the files, or none.
            whole = (*whole, conda_damage.REPAIR)
        is_, should_be = (*settings[0], *damaged), (*settings[1], *whole)
        return Plan("replace" if actual.exists else "create", why, tuple(actual.lines()), tuple(after), is_, should_be)

    def sweep(self) -> list[str]:
        """Remove generations that nobody needs or uses any more."""
        paths = self.task.superseded()
        used = conda_generations.in_use(paths)
        free = [path for path in paths if path not in used]
        conda_generations.remove(self.layout, free)
        return free


def contents(prefix: str | None) -> tuple[str, ...]:
    """Packages in a prefix as lines of a diff."""
    if prefix is None or not os.path.isdir(prefix):
        return ()
    try:
        return tuple(as_lines([*conda_packages(prefix), *pip_packages(prefix)], ()))
    except CondaEnvError as error:
        return (error.cause,)
