# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an environment what a task asks for, or say what that would change. Private to this collection."""

from __future__ import annotations

import typing as t

from .absent import absent
from .build import Specified
from .frame import Frame
from .present import present
from .rollback import rolled_back
from .task import Task


def change(task: Task, check_mode: bool, scratch: str) -> dict[str, t.Any]:
    """The module's result. `scratch` is a private folder that goes afterwards."""
    frame = Frame.of(task, check_mode, scratch)
    if task.base:
        from .in_place import InPlace  # noqa: PLC0415 - seldom used

        return InPlace.of(frame).run()
    if task.archive is not None:
        from .unpack import Unpacked  # noqa: PLC0415 - seldom used

        return present(frame, Unpacked(frame, task.archive))
    if task.specification is not None:
        return present(frame, Specified(frame, task.specification))
    return absent(frame) if task.options.state == "absent" else rolled_back(frame)
