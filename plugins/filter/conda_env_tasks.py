# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of the role conda_envs for the module conda_env."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..plugin_utils._conda.lock_file import lock_files

DOCUMENTATION = r"""
name: conda_env_tasks
short_description: Environments of the role conda_envs as conda_env wants them
version_added: 0.2.0
author: openlab.research_server maintainers (@openlab)
description:
  - Turns entries of C(conda_envs_environments) into those of C(environments) of M(openlab.research_server.conda_env), with the
    paths of their files and locks.
positional: directory, architecture, lock_policy
options:
  _input:
    description: Environments as in C(conda_envs_environments).
    type: list
    elements: dict
    required: true
  directory:
    description: Folder of relative files, as C(conda_envs_dir).
    type: path
    required: true
  architecture:
    description: C(ansible_facts['architecture']) of the host.
    type: str
    required: true
  lock_policy:
    description: As C(conda_envs_lock_policy).
    type: str
    choices: [require, prefer, ignore]
    default: prefer
"""

EXAMPLES = r"""
- name: Make the environments
  openlab.research_server.conda_env:
    environments: "{{ conda_envs_environments
      | openlab.research_server.conda_env_tasks(conda_envs_dir, ansible_facts['architecture']) }}"
"""

RETURN = r"""
_value:
  description: Options of M(openlab.research_server.conda_env) for each environment.
  type: list
  elements: dict
"""

# What an entry says about its kernel.
OTHERS = ("kernel", "display_name")


def conda_env_tasks(
    environments: Sequence[Mapping[str, t.Any]], directory: str, architecture: str, lock_policy: str = "prefer"
) -> list[dict[str, t.Any]]:
    return [_task(item, directory, architecture, lock_policy) for item in environments]


def _task(item: Mapping[str, t.Any], directory: str, architecture: str, lock_policy: str) -> dict[str, t.Any]:
    options = {key: value for key, value in item.items() if key not in OTHERS and value is not None}
    src, lock = lock_files(item, directory, architecture)
    places = {"src": src, "lock": lock, "archive": Path(directory, item["archive"]) if item.get("archive") else None}
    options.update({key: str(path) for key, path in places.items() if path is not None})
    if lock is not None or lock_policy == "require":
        options["lock_policy"] = lock_policy
    return options


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[dict[str, t.Any]]]]:
        return {"conda_env_tasks": conda_env_tasks}
