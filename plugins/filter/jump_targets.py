# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a bastion leads."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ..plugin_utils._login.endpoint import with_port
from ..plugin_utils._role_variables import ROLES, read_yaml

DOCUMENTATION = r"""
name: jump_targets
short_description: Where a bastion leads, in the words of PermitOpen
version_added: 0.2.0
description:
  - Turns names of hosts in the inventory into C(host:port), for C(PermitOpen) in C(sshd_config(5\)).
  - sshd compares the words of the client, so a host is listed by each of its names, C(inventory_hostname), C(ansible_host) and
    C(client_config_hostname), with its C(sshd_port).
author:
  - openlab.research_server maintainers (@openlab)
positional: hostvars, ports
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
  ports:
    description: Further ports on each host.
    type: list
    elements: int
    default: []
"""

EXAMPLES = r"""
# produces [gpu-01:2222, 192.0.2.7:2222]
ignored: "{{ groups['research_servers'] | openlab.research_server.jump_targets(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The list. Without any host it is V([none]), since C(PermitOpen) without a value would mean everywhere.
  type: list
  elements: str
"""

NAMES = ("ansible_host", "client_config_hostname")


@functools.cache
def default_port() -> int:
    """Of the role sshd: other hosts' defaults are not in hostvars."""
    return int(read_yaml(ROLES / "sshd" / "defaults" / "main.yml")["sshd_port"])


def jump_targets(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, t.Any]], ports: Iterable[int] = ()) -> list[str]:
    found = []
    for host in hosts:
        variables = hostvars[host]
        names = [host, *(str(variables[name]) for name in NAMES if variables.get(name))]
        found += [with_port(name, int(port)) for name in names for port in (variables.get("sshd_port", default_port()), *ports)]
    return list(dict.fromkeys(found)) or ["none"]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"jump_targets": jump_targets}
