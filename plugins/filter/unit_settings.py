# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `unit_settings`."""

from __future__ import annotations

from collections.abc import Callable

from ..plugin_utils._repeated import Settings, each

DOCUMENTATION = r"""
name: unit_settings
short_description: Settings of a systemd unit as the lines of a section
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - Writes C(Name=value) for each setting (C(systemd.syntax(7))).
  - A list is one line for each of its items; an empty one is none.
options:
  _input:
    description: Values by the name of the setting, as systemd spells it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Print the settings of a service
  ansible.builtin.debug:
    msg: "{{ {'PrivateTmp': true, 'DeviceAllow': ['char-nvidia* rw', '/dev/kvm rw']} | openlab.research_server.unit_settings }}"
"""

RETURN = r"""
_value:
  description: The lines; the last one has no end.
  type: str
"""


def unit_settings(settings: Settings) -> str:
    return "\n".join(f"{name}={str(one).lower() if isinstance(one, bool) else one}" for name, one in each(settings))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"unit_settings": unit_settings}
