# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall.loading import loading, unit_differences

FILE = "/etc/x.nft"


@pytest.mark.parametrize(
    ("before", "after", "new", "told"),
    [
        ("table a\n", "table a\n", [FILE], None),
        ("", "", [FILE], None),
        ("", "table a\n", [FILE], "as /etc/x.nft says\n"),
        # Somebody has emptied the ruleset, or changed it: what is missing is told nowhere else.
        ("", "table a\n", [], "table a\n"),
        ("", "table a\n", ["/etc/other"], "table a\n"),
        ("table b\n", "table a\n", [FILE], "table a\n"),
        ("table b\n", "", [FILE], ""),
    ],
)
def test_a_new_table_is_told_once(before: str, after: str, new: list[str], told: str | None) -> None:
    found = loading("loaded", before, after, FILE, new)
    assert [(part["before"], part["after"]) for part in found] == ([] if told is None else [(before, told)])


class Machine:
    def __init__(self, active: bool) -> None:
        self.active = active

    def attempt(self, *_argv: str) -> tuple[int, str, str]:
        return (0 if self.active else 3), "", ""


@pytest.mark.parametrize(
    ("target", "active", "wanted", "told"),
    [
        ("/etc/systemd/system/x.service", True, True, []),
        ("/etc/systemd/system/x.service", False, True, [("stopped\n", "active\n")]),
        ("/dev/null", True, True, [("disabled\n", "enabled\n")]),
        ("", True, True, [("disabled\n", "enabled\n")]),
        ("", False, False, []),
        ("/etc/systemd/system/x.service", True, False, [("enabled\n", "disabled\n")]),
    ],
)
def test_the_unit_that_loads_it(tmp_path: Path, target: str, active: bool, wanted: bool, told: list[tuple[str, str]]) -> None:
    link = tmp_path / "x.service"
    if target:
        link.symlink_to(target)
    machine: t.Any = Machine(active)
    found = unit_differences(machine, "x.service", str(link), wanted=wanted)
    assert [(part["before"], part["after"]) for part in found] == told
