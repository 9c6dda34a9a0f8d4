# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.limits import resolve, size, slice_lines

TOTAL = {"memory_max": 64 * 1024.0**3, "cpu_quota": 100.0, "tasks_max": 32768.0}
GENERAL = {"memory_max": "16G", "cpu_quota": "", "tasks_max": "15%", "gpus": ["all"]}


def limits(groups: t.Any = None, people: t.Any = None, general: t.Any = None) -> dict[str, t.Any]:
    return {"general": GENERAL if general is None else general, "groups": groups or {}, "people": people or {}}


def test_without_more_the_general_ones_hold() -> None:
    assert resolve(limits(), "ada", ["ada"], TOTAL) == GENERAL


def test_the_most_specific_wins_each_limit_by_itself() -> None:
    given = limits({"students": {"memory_max": "8G", "cpu_quota": "200%"}}, {"ada": {"memory_max": "128G"}})
    assert resolve(given, "ada", ["ada", "students"], TOTAL) == {**GENERAL, "memory_max": "128G", "cpu_quota": "200%"}
    assert resolve(given, "bob", ["students"], TOTAL) == {**GENERAL, "memory_max": "8G", "cpu_quota": "200%"}
    assert resolve(given, "eve", ["eve"], TOTAL) == GENERAL


@pytest.mark.parametrize(
    ("limit", "first", "second", "most"),
    [
        ("memory_max", "900M", "1G", "1G"),
        ("memory_max", "25%", "17G", "17G"),
        ("memory_max", "50%", "17G", "50%"),
        ("memory_max", "infinity", "1T", "infinity"),
        ("cpu_quota", "", "800%", ""),
        ("cpu_quota", "50%", "800%", "800%"),
        ("tasks_max", "15%", "5000", "5000"),
        ("tasks_max", 100, 20, 100),
        ("gpus", [0], [1, 0], ["0", "1"]),
        ("gpus", [0], ["all"], ["all"]),
        ("gpus", [], [2], ["2"]),
    ],
)
def test_who_is_in_several_groups_gets_the_most(limit: str, first: t.Any, second: t.Any, most: t.Any) -> None:
    for one, other in ((first, second), (second, first)):
        given = limits({"a": {limit: one}, "b": {limit: other}})
        assert resolve(given, "ada", ["a", "b", "c"], TOTAL)[limit] == most


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("1024", 1024),
        ("1K", 1024),
        ("1.5G", 1.5 * 1024**3),
        ("1G 512M", 1.5 * 1024**3),
        ("50%", 500.0),
        ("infinity", float("inf")),
    ],
)
def test_sizes_are_systemds(text: str, bytes_: float) -> None:
    assert size(text, 1000.0) == bytes_


def test_the_slice_has_the_limits_in_systemds_words() -> None:
    assert slice_lines({**GENERAL, "memory_high": "infinity"}, None).splitlines() == [
        "[Slice]",
        "MemoryMax=16G",
        "MemoryHigh=infinity",
        "CPUQuota=",
        "TasksMax=15%",
        "MemorySwapMax=0",
    ]
    assert slice_lines({}, ["/dev/nvidia0"]).splitlines() == ["[Slice]", "DevicePolicy=closed", 'DeviceAllow="/dev/nvidia0" rw']
    assert slice_lines({"memory_max": "infinity"}, None).splitlines() == ["[Slice]", "MemoryMax=infinity"]
    assert slice_lines({}, []).splitlines() == ["[Slice]", "DevicePolicy=closed"]
