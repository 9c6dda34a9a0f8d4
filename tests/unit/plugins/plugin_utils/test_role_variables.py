# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils import _role_variables
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import RoleVariables, trusted


@pytest.fixture
def told(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., RoleVariables]:
    """Variables of a role that has defaults and variables of its own, over which an inventory has its say."""
    for part, text in {
        "defaults": 'r_port: 22\nr_name: "{{ r_port }}-{{ __r_fixed }}"\nr_wrong: "{{ nowhere }}"\n',
        "vars": "__r_fixed: own\nr_ruled: by the role\n",
    }.items():
        path = tmp_path / "r" / part / "main.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(_role_variables, "ROLES", tmp_path)
    return lambda **variables: RoleVariables(Templar(loader=DataLoader()), ["r", "none"], variables)


def test_the_inventory_is_over_the_roles_own_variables_and_these_over_its_defaults(told: t.Any) -> None:
    assert told().value("r_name") == "22-own"
    assert told(r_port=2222).value("r_name") == "2222-own"
    assert told().value("r_ruled") == "by the role"
    assert told(r_ruled="by the lab").value("r_ruled") == "by the lab"


def test_a_template_of_the_inventory_is_one() -> None:
    told = RoleVariables(Templar(loader=DataLoader()), [], trusted({"a": "{{ b }}", "b": 1}))
    assert told.value("a") == 1


def test_what_there_is_not(told: t.Any) -> None:
    assert told().value("nothing") is None
    assert told(r_port=None).value("r_port", 4) == 4
    with pytest.raises(AnsibleError):
        told().value("r_wrong")
