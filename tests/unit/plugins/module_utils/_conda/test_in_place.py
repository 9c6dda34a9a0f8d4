# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.in_place import extended, refuse
from ansible_collections.openlab.research_server.plugins.module_utils._conda.options import Options
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import Package
from ansible_collections.openlab.research_server.plugins.module_utils._conda.solve import Extension
from ansible_collections.openlab.research_server.plugins.modules.conda_env import ARGUMENTS

DEFAULTS = {name: option.get("default") for name, option in ARGUMENTS.items()}


@pytest.mark.parametrize(
    "chosen",
    [
        {"state": "absent"},
        {"state": "rolled_back"},
        {"lock": {"version": 1}},
        {"archive": "packed.tar.gz"},
        {"frozen": True},
        {"owner": "ada"},
        {"group": "users"},
        {"verify": "full"},
    ],
    ids=str,
)
def test_what_makes_no_sense_in_place_is_refused_by_name(chosen: dict[str, t.Any]) -> None:
    refuse(Options.of(DEFAULTS))
    with pytest.raises(CondaEnvError) as caught:
        refuse(Options.of({**DEFAULTS, **chosen}))
    assert f"found {next(iter(chosen))}" in caught.value.cause


def test_what_is_not_replaced_stays() -> None:
    before = (Package("app", "1.0"), Package("lib", "1.0"))
    answer = Extension((Package("lib", "2.0"), Package("new", "1.0")), "24.7.1", ("lib",), (), ())
    assert extended(before, answer) == (Package("app", "1.0"), Package("lib", "2.0"), Package("new", "1.0"))
