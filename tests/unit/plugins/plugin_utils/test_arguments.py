# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A template that does nothing but name a variable is what the variable holds: Ansible says the same, and has less to do."""

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils import _arguments
from ansible_collections.openlab.research_server.plugins.plugin_utils._arguments import direct, has_template
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import trusted

pytestmark = pytest.mark.skipif(
    not hasattr(_arguments.ActionBase, "finalize_task_arg"), reason="ansible-core 2.18 asks no action for its arguments"
)

VARIABLES = trusted(
    {
        "word": "text",
        "number": 22,
        "nothing": None,
        "no": False,
        "empty": "",
        "hosts": ["a", "b"],
        "named": "{{ word }}",
        "twice": "{{ named }}",
        "made": "{{ word | upper }}",
        "text_with": "{{ word }}/envs",
        "wishes": {"version": "{{ word }}", "hosts": "{{ hosts }}", "made": ["{{ made }}"], "{{ word }}": 1},
        "deep": {"wishes": "{{ wishes }}"},
        "broken": "{{ absent }}",
        "left_out": "{{ omit }}",
        "with_left_out": {"kept": 1, "gone": "{{ left_out }}"},
        "omit": "__omit_place_holder__1",
    }
)
WITHOUT = [
    *(
        "{{ word }}",
        "{{word}}",
        "{{ number }}",
        "{{ nothing }}",
        "{{ no }}",
        "{{ empty }}",
        "{{ hosts }}",
        "{{ named }}",
        "{{ twice }}",
    ),
    *("{{ word | default('x') }}", "{{ absent | default('x') }}", "{{ absent | default(60) }}", "{{ absent | default([]) }}"),
    *(
        "{{ absent | default({}) }}",
        "{{ absent | default(['x']) }}",
        "{{ absent | default('') }}",
        "{{ nothing | default('x') }}",
    ),
    *("{{ twice | default('x') }}", ["{{ word }}", {"a": "{{ hosts }}"}]),
]
WITH = [
    *(
        "{{ made }}",
        "{{ text_with }}",
        "{{ made | default('x') }}",
        "{{ wishes }}",
        "{{ deep }}",
        "{{ word ~ 'x' }}",
        "{{ word }}x",
    ),
    *(
        "{{ broken | default('x') }}",
        "{{ absent | default('a\\'b') }}",
        "{{ absent | default(['x', 'y']) }}",
        "{{ word.upper() }}",
    ),
    *("{{ absent | default(word) }}", "{{ absent | default(false) }}", "{{ hosts[0] }}", "{{ empty | default('x', true) }}"),
]


def templar() -> t.Any:
    return Templar(loader=DataLoader(), variables=VARIABLES)


@pytest.mark.parametrize("value", WITHOUT + WITH, ids=str)
def test_the_value_is_the_same(value: t.Any) -> None:
    value = trusted(value)
    assert templar().template(direct(value, VARIABLES)) == templar().template(value)


@pytest.mark.parametrize("value", WITHOUT, ids=str)
def test_what_only_names_a_variable_leaves_no_template(value: t.Any) -> None:
    assert not has_template(direct(trusted(value), VARIABLES))


@pytest.mark.parametrize("value", WITH, ids=str)
def test_what_does_more_is_left_to_jinja(value: t.Any) -> None:
    assert has_template(direct(trusted(value), VARIABLES))


@pytest.mark.parametrize("value", ["{{ word }}", ["{{ word }}"], {"a": "{{ absent | default('x') }}"}], ids=str)
def test_what_nobody_trusts_is_no_template(value: t.Any) -> None:
    """Such as a word of a host, which must not read what the inventory holds."""
    assert direct(value, VARIABLES) == value
    assert direct(trusted("{{ said }}"), {**VARIABLES, "said": value}) == value


@pytest.mark.parametrize("name", ["absent", "broken"])
def test_what_is_not_there_is_still_said(name: str) -> None:
    with pytest.raises(Exception, match="absent"):
        templar().template(direct(trusted(f"{{{{ {name} }}}}"), VARIABLES))


def test_a_variable_that_names_itself_ends() -> None:
    around = trusted({"a": "{{ b }}", "b": "{{ a }}", "c": ["{{ c }}"]})
    assert direct(trusted("{{ a }}"), around) in ("{{ a }}", "{{ b }}")
    assert has_template(direct(trusted("{{ c }}"), around))


def test_ansible_asks_the_action() -> None:
    """The method is an experiment of ansible-core: the day on which it has another name, this says it."""
    seen = []

    class Spy:
        available_variables = VARIABLES

        def template(self, value: t.Any) -> t.Any:
            seen.append(value)
            return value

    assert _arguments.ModuleAction.finalize_task_arg("name", trusted("{{ twice }}"), Spy(), None) == "text"
    assert seen == ["text"]
