# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a generation of an archive. Needs no conda. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys

from . import manifest
from . import pip as conda_pip
from .archive import UNPACK, UNPACK_MODULE, Archive, contents, lines, requirements, unpack
from .damage import first_look, noted
from .errors import CondaEnvError
from .frame import Frame
from .gpus import fitting, needs_of_lines, needs_of_prefix
from .prefix import check_imports, tidy_permissions
from .present import Content
from .records import conda_packages, pip_packages
from .workshop import Workshop


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """A source (present.Source)."""

    frame: Frame
    archive: Archive

    @property
    def awaited(self) -> bool:
        return not self.archive.file and self.archive.lines is None

    def require(self) -> None:
        """Neither conda nor a network is needed."""

    def foresee(self) -> Content:
        found = self.archive.lines
        content = lines(self.archive.file, self.frame.workshop.scratch) if found is None else found
        return Content(content, fitting(needs_of_lines(content), self.frame.workshop.gpu))

    def fill(self, workshop: Workshop, prefix: str) -> Content:
        """Put the final path into the files, too, and prove that the environment works."""
        unpack(self.archive.file, prefix)
        told = fitting(needs_of_prefix(prefix), workshop.gpu)
        run, inside, task = workshop.run, workshop.inside(prefix), self.frame.task
        program = os.path.join(prefix, UNPACK)
        if not os.path.isfile(program) or not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
            raise CondaEnvError(
                f"the archive {self.archive.path} was not made by conda-pack, or for one place only: it has no {UNPACK}",
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
        check_imports(prefix, task.options.smoke, run, inside)
        tidy_permissions(prefix, task.owner)
        os.sync()
        written = manifest.take(prefix, task.digest, conda_packages(prefix), requirements(pip_packages(prefix)))
        # What the final path was written into differs from its record for ever.
        manifest.write(noted(written, first_look(prefix)))
        return Content(contents(prefix), [*told, *(f"pip check: {line}" for line in warnings)], {"packages": written.packages()})
