# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add an address to a list of networks that does not cover it yet."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._host import networks as host_networks

DOCUMENTATION = r"""
name: with_address
short_description: Add an address to a list of networks that does not cover it yet
version_added: 0.1.0
description:
  - Returns the list as it is if one of its networks contains the address, so that the list stays the same
    wherever in them the address is.
author:
  - openlab.research_server maintainers (@openlab)
positional: address
options:
  _input:
    description: Addresses, networks and host names.
    type: list
    elements: str
    required: true
  address:
    description: An IPv4 or IPv6 address. Nothing is added if it is empty.
    type: str
    required: true
"""

EXAMPLES = r"""
# produces [127.0.0.1/8, 192.0.2.7]
ignored: "{{ ['127.0.0.1/8'] | openlab.research_server.with_address('192.0.2.7') }}"
"""

RETURN = r"""
_value:
  description: The list.
  type: list
  elements: str
"""


def with_address(networks: list[str], address: str | None) -> list[str]:
    """Adapter: errors become Ansible's."""
    try:
        return host_networks.with_address(networks, address)
    except ValueError as error:
        raise AnsibleFilterError(f"with_address: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"with_address": with_address}
