# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter conda_kernels."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

DOCUMENTATION = r"""
name: conda_kernels
short_description: Environments to register as kernels, from the results of conda_env
version_added: 0.1.0
description:
  - Turns the results of a loop over M(openlab.research_server.conda_env) into the input of
    M(openlab.research_server.jupyter_kernels).
author: openlab.research_server maintainers (@openlab)
positional: kernels
options:
  _input:
    description: The C(results) of the loop; the items have C(name) and may have C(state), C(kernel) and C(display_name).
    type: list
    elements: dict
    required: true
  kernels:
    description: What an item without C(kernel) means.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Register kernels
  openlab.research_server.jupyter_kernels:
    environments: "{{ made.results | openlab.research_server.conda_kernels }}"
"""

RETURN = r"""
_value:
  description: One entry for each environment that is to be a kernel.
  type: list
  elements: dict
"""


def conda_kernels(results: list[Mapping[str, t.Any]], kernels: bool = True) -> list[dict[str, t.Any]]:
    """Environments that are there and wanted as kernels, with what is planned for them."""
    return [
        {
            "name": result["item"]["name"],
            "display_name": result["item"].get("display_name") or result["item"]["name"],
            "prefix": result["prefix"],
            "plan": {key: result["plan"][key] for key in ("install", "remove")},
        }
        for result in results
        if result["item"].get("state", "present") != "absent" and result["item"].get("kernel", kernels)
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"conda_kernels": conda_kernels}
