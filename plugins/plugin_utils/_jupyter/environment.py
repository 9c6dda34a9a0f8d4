# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What JupyterLab's own environment is made of. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

RESOURCE_USAGE = "jupyter-resource-usage"


def dependencies(
    packages: Sequence[t.Any], extensions: Sequence[t.Any] = (), language: str = "", resource_usage: bool = False
) -> list[t.Any]:
    """As in an environment file. The packages of languages are named after them: zh_CN is jupyterlab-language-pack-zh-CN."""
    pack = [f"jupyterlab-language-pack-{language.replace('_', '-').lower()}"] if language else []
    return [*packages, *pack, *([RESOURCE_USAGE] if resource_usage else []), *extensions]
