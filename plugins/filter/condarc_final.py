# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `condarc_final`."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Iterator, Mapping

DOCUMENTATION = r"""
name: condarc_final
short_description: Settings of conda that nobody's own configuration changes
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - Writes settings for a C(.condarc) with C(#!final) behind each (conda, "Using the .condarc conda configuration file"), where
    conda's reader looks for it. YAML's writers leave comments out.
options:
  _input:
    description: Texts, lists of texts and dictionaries of texts by the name of the setting.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Print what nobody's own configuration changes
  ansible.builtin.debug:
    msg: "{{ {'channels': ['conda-forge'], 'channel_priority': 'strict'} | openlab.research_server.condarc_final }}"
"""

RETURN = r"""
_value:
  description: The lines; the last one has no end.
  type: str
"""


def condarc_final(settings: Mapping[str, t.Any]) -> str:
    return "\n".join(line for name, value in settings.items() for line in _lines(name, value))


def _lines(name: str, value: t.Any) -> Iterator[str]:
    if not isinstance(value, (Mapping, list)) or not value:
        yield f"{name}: {json.dumps(value)}  #!final"
        return
    yield f"{name}:  #!final"
    if isinstance(value, Mapping):
        yield from (f"  {json.dumps(key)}: {json.dumps(item)}" for key, item in value.items())
    else:
        yield from (f"  - {json.dumps(item)}" for item in value)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"condarc_final": condarc_final}
