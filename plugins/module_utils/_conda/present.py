# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment is to be what its task says: a new generation from a source, and a switch to it.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t
from collections.abc import Mapping, Sequence

from . import damage, environments_txt, manifest, switch
from . import frozen as conda_frozen
from .actual import Actual
from .errors import CondaEnvError
from .frame import Frame
from .plan import Plan
from .reading import read
from .task import Task
from .workshop import Workshop


@dataclasses.dataclass(frozen=True)
class Content:
    """What a generation holds: lines of a diff, notes, and what else the module's result says of it."""

    lines: Sequence[str]
    notes: Sequence[str] = ()
    more: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


class Source(t.Protocol):
    """Where the content of a generation comes from."""

    @property
    def awaited(self) -> bool:
        """True if the controller has to bring it first."""

    def require(self) -> None:
        """Refuse a host on which it cannot be had. Raises CondaEnvError."""

    def foresee(self) -> Content:
        """What `fill` will do, without writing anything."""

    def fill(self, workshop: Workshop, prefix: str) -> Content:
        """Fill an unused prefix. On any error it stays unfinished. The mutex is held."""


def present(frame: Frame, source: Source) -> dict[str, t.Any]:
    """The module's result."""
    task = frame.task
    actual, why = read(task)
    if why and source.awaited:
        return {**task.report(Plan()), "archive_needed": True}
    adjustment = Plan() if why else _adjustment(task, actual)
    if frame.check_mode:
        return _foresee(task, source, actual, why) if why else task.report(adjustment)
    if why:
        task.require_owner()
        source.require()
    elif not adjustment.changed and not task.untidy():
        _note(frame, actual)
        return task.report(adjustment)
    with frame.alone() as workshop:
        # Another run may have done it while this one waited.
        actual, why = read(task)
        if why:
            return _replace(frame, workshop, source, actual, why)
        _write(actual)
        adjustment, generation = _adjustment(task, actual), task.layout.current()
        if adjustment.changed and generation is not None:
            conda_frozen.write(generation, task.frozen)
        return task.report(adjustment, swept=frame.sweep())


def _foresee(task: Task, source: Source, actual: Actual, why: tuple[str, ...]) -> dict[str, t.Any]:
    content = source.foresee()
    plan = _plan(task, actual, why, content)
    if actual.damage and task.options.verify == damage.FILES:
        # The run that follows may read another share of the files, or none.
        plan = dataclasses.replace(plan, settings_after=(*plan.settings_after, damage.REPAIR))
    return task.report(plan, [*switch.foreign_link(task.layout), *content.notes], **content.more)


def _replace(frame: Frame, workshop: Workshop, source: Source, actual: Actual, why: tuple[str, ...]) -> dict[str, t.Any]:
    """Build a generation and let people have it. The mutex is held."""
    task, layout = frame.task, frame.task.layout
    # What a killed run left goes first: it may be what fills the disk.
    swept = frame.sweep()
    prefix = layout.next(task.digest)
    try:
        os.makedirs(os.path.dirname(prefix), mode=0o755, exist_ok=True)
        content = source.fill(workshop, prefix)
    except (CondaEnvError, OSError):
        if os.path.lexists(prefix):
            switch.remove(layout, [prefix])
        raise
    conda_frozen.write(prefix, task.frozen)
    told = switch.foreign_link(layout)
    kept = switch.switch(layout, prefix)
    if os.path.dirname(layout.link) != os.path.join(task.root, "envs"):
        environments_txt.add(layout.link)
    more = {**content.more, "swept": swept + frame.sweep(), **({"kept": kept} if kept else {})}
    return task.report(_plan(task, actual, why, content), [*told, *content.notes], **more)


def _plan(task: Task, actual: Actual, why: tuple[str, ...], content: Content) -> Plan:
    damaged, whole = damage.sides(actual.damage)
    is_ = (*conda_frozen.line(actual.frozen), *damaged)
    should_be = (*conda_frozen.line(task.frozen), *whole)
    return Plan("replace" if actual.exists else "create", why, tuple(actual.lines()), tuple(content.lines), is_, should_be)


def _adjustment(task: Task, actual: Actual) -> Plan:
    """What is to be done to an environment whose packages are right."""
    reason = conda_frozen.reason(actual.frozen, task.frozen)
    before, after = conda_frozen.line(actual.frozen), conda_frozen.line(task.frozen)
    return Plan("adjust", (reason,), settings_before=before, settings_after=after) if reason else Plan()


def _note(frame: Frame, actual: Actual) -> None:
    """Write down what was found to be right, so that the next run sees it at a glance; but wait for nobody to do so."""
    if not actual.unwritten:
        return
    with contextlib.suppress(CondaEnvError, OSError), frame.mutex(0):
        again, why = read(frame.task)
        if not why:
            _write(again)


def _write(actual: Actual) -> None:
    """The same; the mutex is held."""
    if actual.unwritten and actual.manifest is not None:
        manifest.write(actual.manifest)
