# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `account_names`."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping

from ..plugin_utils._people import present

DOCUMENTATION = r"""
name: account_names
short_description: Who has an account by the inventory
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - The login names of those who are to have an account, in their order, each once; nobody's where the list is empty or null.
    Leavers are left out, and what has no name, which the role C(accounts) refuses.
options:
  _input:
    description: People as in C(accounts_researchers) or C(accounts_administrators), with C(name) and perhaps C(state).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Print who has an account
  ansible.builtin.debug:
    msg: "{{ accounts_researchers | openlab.research_server.account_names }}"
"""

RETURN = r"""
_value:
  description: Login names.
  type: list
  elements: str
"""


def account_names(people: Iterable[Mapping[str, t.Any]] | None) -> list[str]:
    return list(present(person for person in people or () if isinstance(person, Mapping) and person.get("name")))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"account_names": account_names}
