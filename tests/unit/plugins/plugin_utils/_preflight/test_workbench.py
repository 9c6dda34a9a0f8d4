# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.workbench import check


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"workbench_packages": ["git", "g++", "emacs-nox"], "workbench_linger": ["ada"], "workbench_motd": ["a b"]}, ""),
        ({"workbench_packages": ["git", "tmux=3.3"]}, "workbench_packages: found 'tmux=3.3'"),
        ({"workbench_gpu_packages": ["--force"]}, "workbench_gpu_packages: found '--force'"),
        ({"workbench_packages": ["tmux"], "workbench_nbstripout": True}, "found no 'git'"),
        ({"workbench_packages": ["tmux"], "workbench_nbstripout": False}, ""),
        ({"workbench_linger": ["root"]}, "workbench_linger: found 'root'"),
        ({"workbench_linger": ["Ada L"]}, "workbench_linger: found 'Ada L'"),
        ({"workbench_motd": ["a\nb"]}, "workbench_motd: found a line break"),
    ],
)
def test_variables_that_make_no_sense_are_told(variables: dict[str, t.Any], says: str) -> None:
    found = check(variables)
    assert len(found) == bool(says) and says in " ".join(found)
