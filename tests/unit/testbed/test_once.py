# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import types
import typing as t

import once
import pytest


def item(nodeid: str, **marks: t.Any) -> t.Any:
    found = {name: types.SimpleNamespace(args=(value,)) for name, value in marks.items()}
    return types.SimpleNamespace(nodeid=nodeid, get_closest_marker=found.get)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., list[str]]:
    def run(*items: t.Any, every_day: bool = True) -> list[str]:
        monkeypatch.setenv("TEST_ONCE", "1" if every_day else "")
        left_out: list[t.Any] = []

        def deselected(items: list[t.Any]) -> None:
            left_out.extend(items)

        config = types.SimpleNamespace(hook=types.SimpleNamespace(pytest_deselected=deselected))
        chosen = list(items)
        once.select(config, chosen)
        assert sorted(one.nodeid for one in [*chosen, *left_out]) == sorted(one.nodeid for one in items)
        return [one.nodeid for one in chosen]

    return run


def test_a_release_is_enough_where_it_does_not_matter(played: t.Callable[..., list[str]]) -> None:
    items = [item("t[debian12-x]", one_release=()), item("t[debian13-x]", one_release=()), item("u[debian12-x]")]
    assert played(*items) == ["t[debian13-x]", "u[debian12-x]"]


def test_the_first_cases_of_a_test_are_played_on_each_release(played: t.Callable[..., list[str]]) -> None:
    items = [item(f"t[{host}-{case}]", cases=2) for host in ("debian12", "debian13") for case in "abc"]
    assert played(*items) == ["t[debian12-a]", "t[debian12-b]", "t[debian13-a]", "t[debian13-b]"]


def test_the_week_plays_all(played: t.Callable[..., list[str]]) -> None:
    items = [item("t[debian12-a]", cases=1, one_release=()), item("t[debian12-b]", cases=1), item("u", thorough=())]
    assert played(*items) == ["t[debian12-b]"]
    assert len(played(*items, every_day=False)) == 3
