# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `jupyter_port`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError

from ..plugin_utils._jupyter.port import port_of

DOCUMENTATION = r"""
name: jupyter_port
short_description: The TCP port of a researcher's JupyterLab
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - Computes the port from the name alone, so it is the same on every host and does not move when the inventory changes.
  - The port is between 20000 and 29999, which is outside the range that Linux gives to outgoing connections (C(ip(7))).
  - Two names can get the same port. The role C(jupyter) refuses that before it changes anything; give one of the two a port
    in C(jupyter_ports).
positional: explicit
options:
  _input:
    description: The login name.
    type: str
    required: true
  explicit:
    description: Ports given by hand, as in C(jupyter_ports). A name in it has this port.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Print the tunnel command of a researcher
  ansible.builtin.debug:
    msg: "ssh -N -L {{ port }}:127.0.0.1:{{ port }} alice@gpu1"
  vars:
    port: "{{ 'alice' | openlab.research_server.jupyter_port(jupyter_ports | default({})) }}"
"""

RETURN = r"""
_value:
  description: The port.
  type: int
"""


def jupyter_port(name: object, explicit: Mapping[str, int] | None = None) -> int:
    if not isinstance(name, str) or not name:
        raise AnsibleFilterError(f"jupyter_port: found {name!r}; expected a login name")
    return port_of(name, explicit)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., int]]:
        return {"jupyter_port": jupyter_port}
