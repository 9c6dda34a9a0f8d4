# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a conda_env task asks for, and whether the host has it already.

Every run comes here, and most end here. So this reads metadata of files only, starts no process, and imports little: Ansible
brings modules to a host without byte code. What a change needs is in change. Private to this collection.
"""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping, Sequence

from .._text.secrets import mask_urls
from . import frozen as conda_frozen
from . import generations as conda_generations
from . import manifest
from .errors import CondaEnvError
from .generations import Layout
from .options import Options
from .plan import Plan
from .specification import BASE_NAMES, Specification, check_modules, check_name, parse

if t.TYPE_CHECKING:
    from .archive import Archive
    from .lock import Locked
    from .owner import Owner


class Task:
    """The options of a task, checked.

    `specification` is None unless the environment is to be present; `locked` is what to install in place of solving, if anything;
    `frozen` is the message of the marker, None for no marker.
    """

    def __init__(self, arguments: Mapping[str, t.Any]) -> None:
        options = self.options = Options.of(arguments)
        self.root = options.conda_root
        if options.executable:
            from .installation import root_of  # noqa: PLC0415 - seldom used

            self.root = root_of(options.executable)
        if options.name in BASE_NAMES:
            link = os.path.abspath(self.root)
        else:
            if options.name:
                check_name(options.name)
            link = os.path.abspath(options.prefix or os.path.join(self.root, "envs", options.name or ""))
        self.layout = Layout(link)
        self.base = os.path.realpath(link) == os.path.realpath(self.root)
        if not self.base:
            check_name(self.layout.name)
        installation = self.base or os.path.exists(os.path.join(link, "condabin", "conda"))
        if installation and not (self.base and options.allow_base):
            raise CondaEnvError(
                f"{link} is the conda installation itself",
                "Give the environment another name: packages for people do not belong into the base environment. "
                "If they do in this case, 'allow_base: true' adds them to the one at 'conda_root'.",
            )
        self.frozen: str | None = mask_urls(options.frozen_message) if options.frozen else None
        self.specification: Specification | None = None
        self.locked: Locked | None = None
        self.digest = ""
        self.archive: Archive | None = None
        if options.state == "present":
            if options.archive:
                from .archive import archive_of  # noqa: PLC0415 - only an archive needs it

                given = [key for key in ("src", "definition", "lock") if getattr(options, key) is not None]
                if given:
                    raise CondaEnvError(
                        f"found 'archive' and '{given[0]}'; expected one of them", "An archive is a whole environment."
                    )
                self.archive = archive_of(options.archive, options.archive_facts, options.remote_src, options.checksum)
                self.digest = self.archive.digest()
            else:
                self.specification, self.locked, self.digest = self.wanted()
            check_modules(options.smoke)
        self.owner: Owner | None = None
        if options.state == "present" and (options.owner or options.group):
            from .owner import resolve  # noqa: PLC0415 - seldom used

            self.owner = resolve(options.owner, options.group, foreseen=True)
        # A lock says what there is to be, to the last package.
        self.prune: bool = options.prune or self.locked is not None

    def require_owner(self) -> None:
        """An account that a dry run foresees must be there before anything is changed. Raises CondaEnvError."""
        if self.owner is not None:
            from .owner import resolve  # noqa: PLC0415 - seldom used

            resolve(self.options.owner, self.options.group)

    def wanted(self) -> tuple[Specification, Locked | None, str]:
        """What is to be solved, or the lock to follow in its place, and the digest of the generation."""
        options, given = self.options, None
        if options.definition is not None:
            given = parse(options.definition, options.pip_files, options.channels)
            given.check_files()
        if options.lock is not None or options.lock_policy == "require":
            from .lock_policy import follow  # noqa: PLC0415 - only a lock needs it

            return follow(given, options)
        if given is None:
            raise CondaEnvError("found neither 'src' nor 'definition' nor 'lock'", "Say what the environment shall contain.")
        return given, None, given.digest(options.settings)

    def settled(self) -> dict[str, t.Any] | None:
        """The result if the host has what is asked for; None if a closer look is needed."""
        if self.options.state == "absent":
            return self.report(Plan()) if self.traceless() else None
        generation = self.layout.current()
        written = manifest.load(generation) if generation and self.digest else None
        if written is None or written.digest != self.digest or not manifest.untouched(written):
            return None
        if self.prune and written.kept:
            return None
        if self.owner and self.owner.reason(written.prefix):
            return None
        if conda_frozen.read(written.prefix) != self.frozen or self.untidy() or self.damaged(written):
            return None
        return self.report(Plan())

    def damaged(self, written: manifest.Manifest) -> bool:
        """Whether files are not as installed, as far as the task wants them to be looked at."""
        if self.options.verify == "metadata":
            return False
        from . import damage  # noqa: PLC0415 - what costs seconds comes last, and seldom

        return bool(damage.of(written, self.options.verify))

    def traceless(self) -> bool:
        """True if there is nothing of the environment at all."""
        missing = self.layout.found() is conda_generations.Found.MISSING
        return missing and not self.layout.generations() and not conda_generations.leftovers(self.layout)

    def untidy(self) -> bool:
        """True if there is something to sweep."""
        return bool(self.superseded()) or conda_generations.leftovers(self.layout)

    def superseded(self) -> list[str]:
        """Generations that this task does not keep."""
        return conda_generations.superseded(self.layout, self.options.keep_generations)

    def report(self, plan: Plan, notes: Sequence[str] = (), **more: t.Any) -> dict[str, t.Any]:
        """The module's result."""
        own = self.specification.notes if self.specification else ()
        result: dict[str, t.Any] = {
            "changed": plan.changed,
            "plan": plan.to_dict(),
            "prefix": self.layout.link,
            "generation": self.layout.current() or "",
            "swept": [],
            "notes": [*own, *notes],
            **more,
        }
        if self.digest:
            result["digest"] = self.digest
        if plan.changed:
            result["diff"] = plan.diff(self.layout.link)
        return result
