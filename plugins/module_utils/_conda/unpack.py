# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a generation of an archive. Needs no conda. Private to this collection."""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t

from . import frozen as conda_frozen
from . import generations as conda_generations
from . import manifest
from . import pip as conda_pip
from .archive import UNPACK, UNPACK_MODULE, Archive, contents, lines, requirements, unpack
from .change import Change
from .damage import first_look, noted
from .errors import CondaEnvError
from .plan import Actual, Plan
from .prefix import activated, check_imports, tidy_permissions
from .process import runner
from .records import conda_packages, pip_packages


class Unpacking(Change):
    """The steps from what is there to what an archive holds."""

    def run(self) -> dict[str, t.Any]:
        archive = t.cast("Archive", self.task.archive)
        actual, why = self.read()
        adjusted = Plan() if why else self.adjusted(actual)
        if not why and not adjusted.changed and not self.task.untidy():
            self.note(actual)
            return self.task.report(adjusted)
        if why and not archive.file and archive.lines is None:
            return {**self.task.report(Plan()), "archive_needed": True}
        if self.check_mode:
            plan = self.foreseen(archive, actual, why) if why else adjusted
            return self.task.report(plan, conda_generations.foreign_link(self.layout))
        with self.alone() as handle:
            actual, why = self.read()
            if why:
                return self.unpacked(archive, actual, why, handle)
            self.write(actual)
            return self.task.report(self.adjust(actual), swept=self.sweep())

    def foreseen(self, archive: Archive, actual: Actual, why: tuple[str, ...]) -> Plan:
        """The plan of `unpacked`."""
        found = lines(archive.file, self.scratch) if archive.lines is None else archive.lines
        return self.plan(actual, why, list(found))

    def unpacked(self, archive: Archive, actual: Actual, why: tuple[str, ...], handle: int) -> dict[str, t.Any]:
        """Fill a generation and switch to it. The mutex is held."""
        swept = self.sweep()
        prefix = self.layout.next(self.task.digest)
        try:
            os.makedirs(os.path.dirname(prefix), mode=0o755, exist_ok=True)
            unpack(archive.file, prefix)
            warnings = self.finish(archive, prefix, handle)
        except (CondaEnvError, OSError):
            if os.path.lexists(prefix):
                conda_generations.remove(self.layout, [prefix])
            raise
        after = list(contents(prefix))
        conda_frozen.write(prefix, self.task.frozen)
        told = conda_generations.foreign_link(self.layout)
        kept = self.switch(prefix)
        return self.task.report(
            self.plan(actual, why, after),
            [*told, *(f"pip check: {line}" for line in warnings)],
            packages=[vars(package) for package in (*conda_packages(prefix), *pip_packages(prefix))],
            swept=swept + self.sweep(),
            **({"kept": kept} if kept else {}),
        )

    def finish(self, archive: Archive, prefix: str, handle: int) -> list[str]:
        """Put the final path into the files, and prove that the environment works."""
        run, inside = runner(handle), activated(self.environment, prefix)
        program = os.path.join(prefix, UNPACK)
        if not os.path.isfile(program) or not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
            raise CondaEnvError(
                f"the archive {archive.path} was not made by conda-pack, or for one place only: it has no {UNPACK}",
                "Make it with 'conda-pack' and without '--dest-prefix'.",
            )
        own = os.path.join(prefix, "bin", "python")
        done = run([own if os.access(own, os.X_OK) else sys.executable, "-s", program], inside)
        if done.code != 0:
            raise CondaEnvError(f"conda-unpack failed with exit code {done.code}", "See 'stderr'.", done.output)
        # It has done its work, and names the place where the archive was made.
        for path in (program, os.path.join(prefix, UNPACK_MODULE)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        warnings = conda_pip.problems(prefix, run, inside)
        check_imports(prefix, self.options.smoke, run, inside)
        tidy_permissions(prefix, self.task.owner)
        os.sync()
        written = manifest.take(prefix, self.task.digest, conda_packages(prefix), requirements(pip_packages(prefix)))
        # What the final path was written into differs from its record for ever.
        manifest.write(noted(written, first_look(prefix)))
        return warnings
