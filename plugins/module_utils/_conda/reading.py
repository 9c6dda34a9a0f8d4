# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of an environment, and why that is not what its task asks for. Writes nothing. Private to this collection."""

from __future__ import annotations

import dataclasses
import os

from . import additions, damage, manifest, switch
from . import frozen as conda_frozen
from .actual import Actual, as_lines
from .errors import CondaEnvError
from .generations import Found
from .plan import reasons
from .records import conda_packages, pip_packages
from .task import Task


def read(task: Task) -> tuple[Actual, tuple[str, ...]]:
    """What is there, and the reasons to change it."""
    found = task.layout.found()
    if found is Found.MISSING:
        return Actual(), reasons(Actual(), task.digest, "")
    switch.require_room(task.layout, found, task.options.adopt)
    generation = task.layout.current() if found is Found.GENERATION else None
    written = manifest.load(generation) if generation else None
    confirmed = manifest.confirm(written) if written else None
    prefix = generation or task.layout.link
    frozen = conda_frozen.read(prefix)
    # Also where records differ: one change hides no other.
    looked_at = confirmed or written
    damaged = damage.of(looked_at, task.options.verify) if looked_at else ()
    owned = tuple(filter(None, (task.owner.reason(generation),))) if task.owner and generation else ()
    right = confirmed is not None and confirmed.digest == task.digest and not (task.prune and confirmed.kept)
    if confirmed is not None and right and not damaged and not owned:
        return Actual(exists=True, manifest=confirmed, frozen=frozen, unwritten=confirmed is not written), ()
    drift = manifest.by_hand(written) if written and not confirmed else ""
    unreadable = ""
    try:
        conda = tuple(conda_packages(prefix))
    except CondaEnvError as error:
        unreadable, conda = error.cause, written.conda if written else ()
    pip = tuple(pip_packages(prefix))
    actual = Actual(True, written, conda, pip, unreadable, frozen, additions.shadows(prefix, pip), damage=damaged)
    accepted = None if task.prune else additions.tolerated(actual)
    if accepted is not None:
        damaged = damage.of(accepted, task.options.verify)
        actual, drift = dataclasses.replace(actual, manifest=accepted, unwritten=True, damage=damaged), ""
    return actual, (*reasons(actual, task.digest, drift, task.prune), *owned, *damage.reasons(damaged))


def packages(prefix: str | None) -> tuple[str, ...]:
    """Packages in a prefix as lines of a diff."""
    if prefix is None or not os.path.isdir(prefix):
        return ()
    try:
        return tuple(as_lines([*conda_packages(prefix), *pip_packages(prefix)], ()))
    except CondaEnvError as error:
        return (error.cause,)
