# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import types
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side import solving


class NoAnswerError(Exception):
    """What a solver raises."""


@pytest.mark.parametrize(
    ("solver", "wanted", "channels", "asked"),
    [
        ("libmamba", "flexible", "ab", ["flexible"]),
        ("rattler", "strict", "ab", ["strict"]),
        ("rattler", "flexible", "a", ["flexible"]),
        ("rattler", "flexible", "ab", ["strict"]),
        # The first channel alone has no answer.
        ("rattler", "flexible", "abc", ["strict", "disabled"]),
        ("rattler that knows it", "flexible", "abc", ["flexible"]),
    ],
)
def test_a_solver_without_flexible_priority(
    monkeypatch: pytest.MonkeyPatch, solver: str, wanted: str, channels: str, asked: list[str]
) -> None:
    seen = []

    def configure(request: dict[str, t.Any]) -> types.SimpleNamespace:
        return types.SimpleNamespace(solver=solver.split(maxsplit=1)[0], channel_priority=request["channel_priority"])

    def ask(request: dict[str, t.Any], context: types.SimpleNamespace) -> str:
        seen.append(context.channel_priority)
        if context.channel_priority == "strict" and len(request["channels"]) == 3:
            raise NoAnswerError
        return "answer"

    monkeypatch.setattr(solving, "configure", configure)
    # As conda-rattler-solver has it since 0.2.
    priorities = {name: f"ChannelPriority.{name}" for name in ("strict", "flexible", "disabled")}
    newer = types.SimpleNamespace(CHANNEL_PRIORITY_MAP=priorities) if "knows" in solver else types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "conda_rattler_solver", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "conda_rattler_solver.solver", newer)
    request = {"channels": list(channels), "channel_priority": wanted}
    answer, notes = solving.by_priority(request, configure(request), ask)
    assert (answer, seen) == ("answer", asked)
    assert len(notes) == len(asked) - 1
