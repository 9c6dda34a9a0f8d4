# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible.template import Templar
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.openlab.research_server.plugins.lookup.rendered import LookupModule
from ansible_collections.openlab.research_server.plugins.plugin_utils._trust import trust_as_template

Lookup = t.Callable[..., LookupBase]


def stock(**given: t.Any) -> LookupBase:
    """Ansible's own."""
    plugin: LookupBase = lookup_loader.get("template", **given)
    return plugin


@pytest.fixture
def rendered(tmp_path: Path) -> t.Callable[..., str]:
    """What a lookup makes of a template of a role, with these variables of a host."""
    (tmp_path / "templates").mkdir()

    def render(text: str, variables: dict[str, t.Any], lookup: Lookup = LookupModule) -> str:
        (tmp_path / "templates" / "file.j2").write_text(text, encoding="utf-8")
        known = {"ansible_search_path": [str(tmp_path)], **{name: trusted(value) for name, value in variables.items()}}
        loader = DataLoader()
        (told,) = lookup(loader=loader, templar=Templar(loader=loader, variables=known)).run(["file.j2"], variables=known)
        return str(told)

    return render


def trusted(value: t.Any) -> t.Any:
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "text",
    [
        "# {{ name }}\n{% for one in items %}\n  - {{ one }}\n{% endfor %}\nlast\n",
        "no end of line: {{ nested }}",
        "{{ name | regex_replace('(a)', '<\\1>') }} \\1 \\n\n\n",
        "%u {% if name == 'ada' %}yes{% else %}no{% endif %}\n",
    ],
)
def test_it_says_what_the_lookup_of_ansible_says(rendered: t.Callable[..., str], text: str) -> None:
    variables = {"name": "ada", "items": [1, 2], "nested": "of {{ name }}"}
    assert rendered(text, variables) == rendered(text, variables, stock) != text


def test_what_a_host_says_stays_a_text(rendered: t.Callable[..., str]) -> None:
    facts = {"hostname": wrap_var("{{ name }}")}
    assert rendered("{{ ansible_facts.hostname }}\n", {"name": "ada", "ansible_facts": facts}) == "{{ name }}\n"


def test_a_variable_that_is_not_there_is_an_error(rendered: t.Callable[..., str]) -> None:
    with pytest.raises(AnsibleError, match="nobody"):
        rendered("{{ nobody }}\n", {})


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    loader = DataLoader()
    plugin = LookupModule(loader=loader, templar=Templar(loader=loader, variables={}))
    with pytest.raises(AnsibleError, match=r"found no lost\.j2; expected a file of that name in templates"):
        plugin.run(["lost.j2"], variables={"ansible_search_path": [str(tmp_path)]})


def test_data_is_no_text(rendered: t.Callable[..., str]) -> None:
    with pytest.raises(AnsibleError, match=r"takes for a dict in file\.j2; expected a text"):
        rendered("{{ mapping }}", {"mapping": {"a": 1}})


def test_what_it_does_not_know_is_not_ignored() -> None:
    with pytest.raises(AnsibleError, match="found trim_blocks; expected names"):
        LookupModule().run(["file.j2"], variables={}, trim_blocks=False)
