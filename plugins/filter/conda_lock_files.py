# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files of the role conda_envs."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..plugin_utils._conda.lock_file import lock_files

DOCUMENTATION = r"""
name: conda_lock_files
short_description: Environment files of the role conda_envs with their lock files
version_added: 0.2.0
author: openlab.research_server maintainers (@openlab)
description:
  - Tells which lock files a host takes part in, one for each environment that has a file or names a lock.
  - Hosts of one platform with the same file have the same lock file, so one of them can make it for all.
positional: directory, architecture, only, cuda
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
  only:
    description: Names of environments; without them all.
    type: list
    elements: str
    default: []
  cuda:
    description: What the host offers, see P(openlab.research_server.conda_lock_cuda#filter).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the lock files of a host
  ansible.builtin.debug:
    msg: "{{ conda_envs_environments | openlab.research_server.conda_lock_files(conda_envs_dir, ansible_facts['architecture']) }}"
"""

RETURN = r"""
_value:
  description: Dictionaries with C(name), the absolute paths C(src) (empty without a file) and C(dest) (the lock), and C(cuda).
  type: list
  elements: dict
"""


def conda_lock_files(
    environments: Sequence[Mapping[str, t.Any]], directory: str, architecture: str, only: Sequence[str] = (), cuda: str = ""
) -> list[dict[str, str]]:
    return [
        {"name": str(item["name"]), "src": str(src or ""), "dest": str(dest), "cuda": cuda}
        for item in environments
        if item["name"] in only or not only
        for src, dest in [lock_files(item, directory, architecture)]
        if dest is not None and item.get("state", "present") == "present"
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        return {"conda_lock_files": conda_lock_files}
