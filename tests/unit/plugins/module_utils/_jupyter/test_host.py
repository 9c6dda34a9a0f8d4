# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter import host as room
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.servers import Plan, Server


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the host's programs were asked."""
    commands: list[tuple[str, ...]] = []

    def attempt(_host: t.Any, *argv: str, data: str | None = None) -> tuple[int, str, str]:
        commands.append(argv)
        return 0, "", ""

    monkeypatch.setattr(room.Host, "attempt", attempt)
    monkeypatch.setattr(room.time, "time", lambda: 1000.5)
    return commands


@pytest.mark.parametrize(
    ("begun", "server", "expected"),
    [
        ([], Server("bob", restarts=2, invocation="aa"), ()),
        ([], Server("bob", invocation="aa"), ("_SYSTEMD_INVOCATION_ID=aa",)),
        (["ada"], Server("bob", restarts=2), ()),
        (["bob"], Server("bob", restarts=2), ("--since=@1000.500",)),
    ],
)
def test_the_end_of_a_journal_is_about_what_was_started(
    asked: list[tuple[str, ...]], begun: list[str], server: Server, expected: tuple[str, ...]
) -> None:
    host = room.Host(t.cast("t.Any", None), "", {})
    host.begin(Plan(start=begun))
    assert host.journal(server) == "(nothing yet)"
    assert asked[-2] == ("journalctl", "--sync")
    assert asked[-1][:2] == ("journalctl", "_SYSTEMD_UNIT=jupyter@bob.service")
    assert asked[-1][2 : asked[-1].index("-n")] == expected


def test_a_leavers_service_that_has_failed_is_forgotten(asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Their processes and home go first: a service that starts again in that moment fails, and stays so when it is stopped."""
    monkeypatch.setattr(room, "remove_tree", lambda _path, _seconds: "")
    room.Host(t.cast("t.Any", None), "", {}).remove(["bo"])
    stopped, forgotten = (
        asked.index(("systemctl", verb, "--", "jupyter@bo.socket", "jupyter@bo.service")) for verb in ("stop", "reset-failed")
    )
    assert stopped < forgotten
