# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.filter.jupyter_dependencies import FilterModule

jupyter_dependencies = FilterModule().filters()["jupyter_dependencies"]


def test_what_jupyterlab_is_made_of() -> None:
    assert jupyter_dependencies(["jupyterlab=4"]) == ["jupyterlab=4"]
    more = ["jupyterlab-git", {"pip": ["x"]}]
    packs = ["jupyterlab-language-pack-zh-cn", "jupyter-resource-usage"]
    assert jupyter_dependencies(["jupyterlab=4"], more, "zh_CN", True) == ["jupyterlab=4", *packs, *more]
