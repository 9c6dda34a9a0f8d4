# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that hold GPUs and compute nothing: they rest while one is changed. Private to this collection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

PERSISTENCE = "nvidia-persistenced.service"
EXPORTER = "research-server-dcgm-exporter.service"


@contextlib.contextmanager
def resting(run: Callable[[list[str]], tuple[int, str, str]], units: Sequence[str]) -> Iterator[None]:
    """Stop those that run, and start them again in any case."""
    active = [unit for unit in units if run(["systemctl", "is-active", "--quiet", unit])[0] == 0]
    if active:
        run(["systemctl", "stop", *active])
    try:
        yield
    finally:
        if active:
            run(["systemctl", "start", *active])
