# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is to be left of an environment. Private to this collection."""

from __future__ import annotations

import typing as t

from . import environments_txt, switch
from .frame import Frame
from .generations import Found
from .plan import Plan
from .reading import packages


def absent(frame: Frame) -> dict[str, t.Any]:
    """The module's result."""
    layout = frame.task.layout
    found = layout.found()
    if found is Found.OTHER:
        switch.require_room(layout, found, True)
    plan = Plan()
    if found is not Found.MISSING or layout.generations():
        prefix = layout.current() or layout.link
        before = packages(prefix) if found in (Found.GENERATION, Found.ENVIRONMENT) else ()
        plan = Plan("remove", ("the environment is to be absent",), before)
    told = switch.foreign_link(layout)
    if not frame.check_mode:
        with frame.alone():
            # Also without a plan: a killed run may have left something for which no name is shown.
            switch.remove(layout, switch.take_away(layout) if plan.changed else ())
            if plan.changed:
                environments_txt.forget(layout.contains)
    return frame.task.report(plan, told)
