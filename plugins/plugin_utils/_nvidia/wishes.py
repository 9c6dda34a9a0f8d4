# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role's variables ask for. Private to this collection."""

from __future__ import annotations

import typing as t


class Wishes(t.TypedDict):
    """The role's variables that decide, without their prefix."""

    required: bool
    source: str
    module_flavour: str
    version: str
    repository_url: str
    kernel_headers: str
    cuda_toolkit: bool
    cuda_toolkit_package: str
    cuda_toolkits: list[str]
    container_toolkit: bool
    container_toolkit_url: str
    dcgm_exporter: bool
    upgrade_in_use: bool
    clean_legacy: bool


def urls(wishes: Wishes) -> list[str]:
    """Repositories that this role names itself."""
    return [wishes["repository_url"], *([wishes["container_toolkit_url"]] if wishes["container_toolkit"] else [])]
