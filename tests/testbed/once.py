# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` leaves to the runs of one part: every push plays each thing once, every week plays all there is."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Callable

import pytest


def leave_out(config: pytest.Config, items: list[pytest.Item], unwanted: Callable[[pytest.Item], t.Any]) -> None:
    if os.environ.get("TEST_ONCE"):
        left_out = [item for item in items if unwanted(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
