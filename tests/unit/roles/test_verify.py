# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How closely a run looks at installed files: the drift run closely, any other at records, and both as somebody says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import RoleVariables

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("miniconda", "conda_envs", "jupyter")


def drift() -> dict[str, str]:
    """What the drift run brings along when it walks the same way as the site."""
    plays = yaml.safe_load((ROOT / "playbooks/drift.yml").read_text(encoding="utf-8"))
    (site,) = (play for play in plays if play.get("import_playbook") == "site.yml")
    found: dict[str, str] = site["vars"]
    return found


def levels(said: dict[str, str], together: bool) -> list[str]:
    """For each role, on a host that has all of them or in a play that has this one alone."""
    found = []
    for role in ROLES:
        variables = RoleVariables(Templar(loader=DataLoader()), ROLES if together else [role], said)
        found.append(variables.value(f"{role}_verify"))
    return found


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("said", "site", "nightly"),
    [
        ({}, ["metadata"] * 3, ["files"] * 3),
        ({"miniconda_verify": "full"}, ["full"] * 3, ["full"] * 3),
        ({"miniconda_verify": "metadata"}, ["metadata"] * 3, ["metadata"] * 3),
        ({"conda_envs_verify": "full"}, ["metadata", "full", "full"], ["files", "full", "full"]),
        ({"jupyter_verify": "metadata"}, ["metadata"] * 3, ["files", "files", "metadata"]),
    ],
)
def test_the_drift_run_looks_closely_unless_somebody_says_something_else(
    said: dict[str, str], site: list[str], nightly: list[str], together: bool
) -> None:
    assert levels(said, together) == site
    assert levels({**drift(), **said}, together) == nightly


@pytest.mark.parametrize("role", ROLES)
def test_each_role_hands_it_on(role: str) -> None:
    tasks = yaml.safe_load((ROOT / f"roles/{role}/tasks/apply.yml").read_text(encoding="utf-8"))
    tasks = [inner for task in tasks for inner in task.get("block", [task])]
    modules = [task.get(f"openlab.research_server.{name}") for task in tasks for name in ("conda_env", "conda_installation")]
    assert [module["verify"] for module in modules if module] == [f"{{{{ {role}_verify }}}}"]
