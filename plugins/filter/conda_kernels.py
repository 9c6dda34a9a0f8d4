# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter conda_kernels."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

DOCUMENTATION = r"""
name: conda_kernels
short_description: Environments to register as kernels, with what conda_env made of them
version_added: 0.1.0
description:
  - Turns environments and the result of M(openlab.research_server.conda_env) for them into the input of
    M(openlab.research_server.jupyter_kernels).
author: openlab.research_server maintainers (@openlab)
positional: made, kernels, conda_root
options:
  _input:
    description: Environments as in C(conda_envs_environments), with C(name) and perhaps C(state), C(kernel), C(display_name).
    type: list
    elements: dict
    required: true
  made:
    description:
      - C(environments) as M(openlab.research_server.conda_env) returned them.
      - An environment that is not among them, or that failed, is taken as it is.
    type: list
    elements: dict
    required: true
  kernels:
    description: What an item without C(kernel) means.
    type: bool
    default: true
  conda_root:
    description: Prefix of the conda installation that has the environments.
    type: path
    default: /opt/miniconda3
"""

EXAMPLES = r"""
- name: Register kernels
  openlab.research_server.jupyter_kernels:
    environments: "{{ conda_envs_environments | openlab.research_server.conda_kernels(made.environments) }}"
"""

RETURN = r"""
_value:
  description: One entry for each environment that is to be a kernel.
  type: list
  elements: dict
"""


def conda_kernels(
    environments: list[Mapping[str, t.Any]],
    made: list[Mapping[str, t.Any]],
    kernels: bool = True,
    conda_root: str = "/opt/miniconda3",
) -> list[dict[str, t.Any]]:
    """Environments that are there and wanted as kernels, with what is planned for them."""
    known = {result.get("name"): result for result in made}
    wanted = [(item, known.get(item["name"], {})) for item in environments]
    return [
        {
            "name": item["name"],
            "display_name": item.get("display_name") or item["name"],
            "prefix": result.get("prefix", str(PurePosixPath(conda_root, "envs", item["name"]))),
            "plan": {key: result.get("plan", {}).get(key, []) for key in ("install", "remove")},
        }
        for item, result in wanted
        if item.get("state", "present") != "absent" and item.get("kernel", kernels)
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"conda_kernels": conda_kernels}
