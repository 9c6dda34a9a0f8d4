# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `unit_options`."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..plugin_utils._repeated import Settings, each

DOCUMENTATION = r"""
name: unit_options
short_description: Long options of a command in a systemd unit
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - Writes what follows a command in C(ExecStart=), each option on a line of its own, quoted so that the command gets it as it is
    (C(systemd.service(5)), "COMMAND LINES"; C(systemd.unit(5)), "SPECIFIERS").
  - A list is one option for each of its items; an empty one is none.
options:
  _input:
    description: Values by the name of the option, without its dashes.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Print a line of a unit
  ansible.builtin.debug:
    msg: "ExecStart=/usr/bin/jupyter lab{{ {'ServerApp.ip': '127.0.0.1'} | openlab.research_server.unit_options }}"
"""

RETURN = r"""
_value:
  description: The options, with what goes on with the line before the first of them. The last line has no end.
  type: str
"""


def unit_options(options: Settings) -> str:
    return "".join(f" \\\n    {_quoted(f'--{name}={one}')}" for name, one in each(options))


def _quoted(text: str) -> str:
    """As C is quoted, which JSON is part of. % begins a specifier and $ a variable, in quotes, too."""
    return json.dumps(text).replace("%", "%%").replace("$", "$$")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"unit_options": unit_options}
