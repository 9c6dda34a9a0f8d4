# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of this collection's roles, as a host will have them. Private to this collection.

In Ansible's order: a role's defaults, then its own variables, then whatever the inventory and the play say.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

from ._arguments import direct
from ._trust import trust_as_template

ROLES = Path(__file__).resolve().parents[2] / "roles"


class RoleVariables:
    """Names and templates of some roles' variables, and their values for one host."""

    def __init__(self, templar: t.Any, roles: Iterable[str], variables: Mapping[str, t.Any]) -> None:
        below: dict[str, t.Any] = {}
        names = list(dict.fromkeys(roles))
        for part in ("defaults", "vars"):
            for role in names:
                below.update(trusted(read_yaml(ROLES / role / part / "main.yml")))
        self.raw: Mapping[str, t.Any] = {**below, **variables}
        self._templar = templar.copy_with_new_env(available_variables=self.raw)

    def value(self, name: str, otherwise: t.Any = None) -> t.Any:
        """The value of a variable. Raises AnsibleError if it cannot be evaluated."""
        return self._templar.template(direct(self.raw[name], self.raw)) if self.raw.get(name) is not None else otherwise


@functools.cache
def read_yaml(path: Path) -> dict[str, t.Any]:
    """A file of a role, read once. By the reader of libyaml where there is one: it takes a tenth of the time."""
    return (yaml_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def trusted(value: t.Any) -> t.Any:
    """Mark the strings of a role's own variables as templates; they come from this collection, not from a host."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value
