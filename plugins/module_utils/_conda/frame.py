# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way to change an environment stands on: the task, the tools, and the mutex. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator

from .._nvidia.cuda import NO_GPU
from .._nvidia.reading import read_gpus
from . import in_place_backup, switch
from .errors import secrets
from .gpus import offer_of, variables
from .mutex import exclusive, mutex_file, writable_home
from .options import Options
from .process import clean_environment, runner
from .task import Task
from .workshop import PACKAGE_CACHE, PRIVATE_CACHE, Installation, Workshop


@dataclasses.dataclass(frozen=True)
class Frame:
    """A task, whether it may only be foreseen, and the tools for it."""

    task: Task
    check_mode: bool
    workshop: Workshop

    @classmethod
    def of(cls, task: Task, check_mode: bool, scratch: str) -> Frame:
        """For one task in a private folder that goes afterwards."""
        cache = os.path.join(writable_home(task.root), package_cache(task.options))
        conda = Installation(task.root, cache, task.options.settings, task.options.offline)
        gpus, stated = read_gpus(), conda.settings.cuda
        environment = {**clean_environment(os.environ, scratch), **variables(gpus, stated)}
        # Who is to be without needs no GPU.
        offer = offer_of(gpus, stated) if task.options.state != "absent" else NO_GPU
        return cls(task, check_mode, Workshop(conda, runner(), environment, scratch, offer))

    @contextlib.contextmanager
    def mutex(self, timeout: float) -> Iterator[Workshop]:
        """Be the only writer. The programs that the workshop starts keep the file open, and with it the mutex."""
        with exclusive(mutex_file(self.task.root), self.task.layout.name, timeout) as handle:
            yield dataclasses.replace(self.workshop, run=runner(handle))

    @contextlib.contextmanager
    def alone(self) -> Iterator[Workshop]:
        """Be the only writer, in an installation that works: what a killed run began in it is undone first."""
        with self.mutex(self.task.options.lock_timeout) as workshop:
            in_place_backup.repair(self.task.root)
            yield workshop

    def sweep(self) -> list[str]:
        """Remove generations that nobody needs or uses any more. The mutex is held."""
        paths = self.task.superseded()
        used = switch.in_use(paths)
        free = [path for path in paths if path not in used]
        switch.remove(self.task.layout, free)
        return free


def package_cache(options: Options) -> str:
    """conda writes the URLs of packages into its cache: one that others cannot enter, if they carry credentials."""
    definition, settings = options.definition, options.settings
    channels = definition.get("channels") if isinstance(definition, dict) else None
    places = [settings.channel_alias, settings.custom_channels, settings.default_channels]
    return PRIVATE_CACHE if secrets([channels, options.channels, *places]) else PACKAGE_CACHE
