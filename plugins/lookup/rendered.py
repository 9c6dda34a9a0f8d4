# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup `rendered`."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rendered
short_description: A role's template, as it is on this host
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - Renders a template with the host's variables, for a module that takes the content of a file.
  - As P(ansible.builtin.template#lookup), which copies all variables of the host for each template first. On a host that has all
    roles that took as long as everything else of such a task together.
  - There are no variables besides the host's, such as C(ansible_managed) or C(template_path), and nothing is included by path.
options:
  _terms:
    description: Names of files in C(templates) of the role, or of the playbook.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Tell what conda is to be configured with
  ansible.builtin.debug:
    msg: "{{ lookup('openlab.research_server.rendered', 'condarc.j2') }}"
"""

RETURN = r"""
_raw:
  description: The text of each.
  type: list
  elements: str
"""

import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._trust import trust_as_template


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, t.Any] | None = None, **options: t.Any) -> list[str]:
        if options:
            raise AnsibleLookupError(f"rendered: found {', '.join(options)}; expected names of templates alone")
        return [self._rendered(name, variables or {}) for name in terms]

    def _rendered(self, name: str, variables: Mapping[str, t.Any]) -> str:
        path = self.find_file_in_search_path(variables, "templates", name)
        if not path:
            raise AnsibleLookupError(
                f"rendered: found no {name}; expected a file of that name in templates of the role or of the playbook"
            )
        text = Path(path).read_text(encoding="utf-8")
        rendered = self._templar.template(trust_as_template(text), escape_backslashes=False)
        if not isinstance(rendered, str):
            raise AnsibleLookupError(
                f"rendered: found what Ansible takes for a {type(rendered).__name__} in {name}; expected a text"
            )
        return rendered
