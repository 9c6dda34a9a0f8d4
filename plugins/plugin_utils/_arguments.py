# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of a task with fewer templates. Private to this collection.

A role hands most variables to its module as they are: ``option: "{{ variable }}"``. Ansible compiles a program of Jinja for each
of these, anew for each host; they were half of all templates of a converged host.
"""

from __future__ import annotations

import ast
import re
import typing as t
from collections.abc import Mapping

from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as Normal

from ._guarded import guarded
from ._trust import is_trusted_as_template

# A variable, maybe with what holds where there is none: a word, a number, a list of one word, or an empty list or mapping.
REFERENCE = re.compile(
    r"""\{\{\ ?(?P<name>[A-Za-z_][A-Za-z0-9_]*)
        (?:\ \|\ default\((?P<otherwise>'[^'\\]*'|\d+|\['[^'\\]*'\]|\[\]|\{\})\))?\ ?\}\}""",
    re.VERBOSE,
)
TEMPLATE = re.compile(r"\{[{%#]")
# A variable that refers to itself ends here, and Ansible says what is wrong with it.
DEPTH = 10


def direct(value: t.Any, variables: Mapping[str, t.Any], depth: int = DEPTH) -> t.Any:
    """The value with what a variable holds, be it a template again, in place of each template that does nothing but name it."""
    if not depth:
        return value
    if isinstance(value, dict):
        return {key: direct(item, variables, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [direct(item, variables, depth - 1) for item in value]
    found = REFERENCE.fullmatch(value) if isinstance(value, str) and is_trusted_as_template(value) else None
    if found is None:
        return value
    if found["name"] not in variables:
        return ast.literal_eval(found["otherwise"]) if found["otherwise"] else value
    held = direct(variables[found["name"]], variables, depth - 1)
    # What names something that is not there has its default, too: Jinja sees to that.
    return value if found["otherwise"] and has_template(held) else held


def has_template(value: t.Any) -> bool:
    """Whether Jinja has something to do."""
    if isinstance(value, (dict, list)):
        return any(has_template(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and TEMPLATE.search(value) is not None


class DirectArguments(ActionBase):
    """An action whose arguments are templated so: what ansible-core lets it do since 2.19, as an experiment of its own."""

    @classmethod
    def finalize_task_arg(cls, name: str, value: t.Any, templar: t.Any, context: t.Any) -> t.Any:
        return super().finalize_task_arg(name, direct(value, templar.available_variables), templar, context)


class ModuleAction(DirectArguments, Normal):
    """Runs the module of the same name on the host, and nothing else."""

    run = guarded(Normal.run)
