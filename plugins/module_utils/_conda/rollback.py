# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generation to go back to. Private to this collection."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from . import manifest, switch
from .errors import CondaEnvError
from .frame import Frame
from .generations import Found, Layout, left
from .gpus import fitting, needs_of_prefix
from .plan import Plan
from .reading import packages


@dataclasses.dataclass(frozen=True)
class Step:
    """The generation to switch to, empty if the environment is where it should be, and what a person should know."""

    target: str = ""
    notes: tuple[str, ...] = ()


def rolled_back(frame: Frame) -> dict[str, t.Any]:
    """The module's result."""
    layout, wanted = frame.task.layout, frame.task.options.generation or ""
    step = choose(layout, wanted)
    if step.target:
        told = fitting(needs_of_prefix(step.target), frame.workshop.gpu)
        step = dataclasses.replace(step, notes=(*step.notes, *told))
    if not step.target or frame.check_mode:
        return frame.task.report(_plan(layout, step), step.notes)
    with frame.alone():
        step = choose(layout, wanted)
        plan = _plan(layout, step)
        if step.target:
            mark(step.target, layout.current())
            switch.switch(layout, step.target)
    return frame.task.report(plan, step.notes)


def _plan(layout: Layout, step: Step) -> Plan:
    if not step.target:
        return Plan()
    reason = f"the environment is to be {os.path.basename(step.target)} again"
    return Plan("roll_back", (reason,), packages(layout.current()), packages(step.target))


def choose(layout: Layout, wanted: str) -> Step:
    """`wanted` is the name or path of a generation; empty for the one that people had before. Changes nothing."""
    found = layout.found()
    if found not in (Found.GENERATION, Found.DEAD_LINK, Found.MISSING):
        raise CondaEnvError(
            f"{layout.link} is not managed by this module", "There is nothing to go back to; it has not been touched."
        )
    current = layout.current() if found is Found.GENERATION else None
    candidates = former(layout, current)
    if wanted:
        target = os.path.join(layout.folder, os.path.basename(wanted.rstrip("/")))
        if target == current:
            return Step()
        if target not in candidates:
            raise CondaEnvError(f"found no complete generation '{wanted}'", _kept(candidates))
        return Step(target, _doubts(target))
    written = manifest.load(current) if current else None
    if current and (written is None or written.rolled_back_from):
        origin = f" from {written.rolled_back_from}" if written else ""
        return Step("", (f"it was rolled back{origin} before and stays there; 'generation' names another one", _kept(candidates)))
    if not candidates:
        raise CondaEnvError("there is no former generation to go back to", "'keep_generations' says how many are kept.")
    return Step(candidates[0], _doubts(candidates[0]))


def former(layout: Layout, current: str | None) -> list[str]:
    """Generations to which one can go, the one that people had last first; then directories that stood there before."""
    complete, adopted = [], []
    for path in layout.generations():
        if path == current:
            continue
        if ".adopted." in os.path.basename(path):
            if os.path.isfile(os.path.join(path, "conda-meta", "history")):
                adopted.append(path)
        elif manifest.load(path) is not None:
            complete.append(path)
    return sorted(complete, key=left, reverse=True) + sorted(adopted, key=lambda path: int(path.rpartition(".")[2]), reverse=True)


def mark(target: str, current: str | None) -> None:
    """Write down that people are sent back, so that the next run does not send them back once more."""
    written = manifest.load(target)
    if written is not None:
        name = os.path.basename(current) if current else "nothing"
        manifest.write(dataclasses.replace(written, rolled_back_from=name))


def _kept(candidates: list[str]) -> str:
    return "Kept are: " + (", ".join(os.path.basename(path) for path in candidates) or "none") + "."


def _doubts(target: str) -> tuple[str, ...]:
    written = manifest.load(target)
    if written is not None and manifest.confirm(written) is None:
        return (f"conda, pip or a person changed {target} after it was built",)
    return ()
