# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `jupyter_dependencies`."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ..plugin_utils._jupyter.environment import dependencies

DOCUMENTATION = r"""
name: jupyter_dependencies
short_description: What JupyterLab's own environment is made of
version_added: 0.2.0
author: openlab.research_server maintainers (@openlab)
description:
  - Puts together the packages of the environment C(jupyter) from variables of the role C(jupyter).
  - The check of the variables on the controller, and that of the lock, see the same list.
positional: extensions, language, resource_usage
options:
  _input:
    description: As C(jupyter_packages).
    type: list
    elements: raw
    required: true
  extensions:
    description: As C(jupyter_extensions).
    type: list
    elements: raw
    default: []
  language:
    description: As C(jupyter_language).
    type: str
    default: ''
  resource_usage:
    description: As C(jupyter_resource_usage).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what a Chinese JupyterLab needs
  ansible.builtin.debug:
    msg: "{{ ['jupyterlab=4'] | openlab.research_server.jupyter_dependencies([], 'zh_CN') }}"
"""

RETURN = r"""
_value:
  description: The C(dependencies) of an environment file.
  type: list
  elements: raw
"""


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[t.Any]]]:
        return {"jupyter_dependencies": dependencies}
