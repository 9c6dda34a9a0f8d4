# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `lock` asks a host for no more than what is to be locked there needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import trusted

PLAYS = yaml.safe_load((Path(__file__).resolve().parents[2] / "playbooks/lock.yml").read_text(encoding="utf-8"))
HUB = ["research_servers", "conda_envs", "jupyter", "proxy", "jupyterhub"]


@pytest.mark.parametrize(
    ("groups", "only", "checked"),
    [
        (HUB, None, HUB[1:]),
        (HUB, [], HUB[1:]),
        (HUB, ["jupyterhub"], HUB[1:]),
        (HUB, ["nlp"], ["conda_envs", "jupyter"]),
        (["proxy", "jupyter"], None, ["jupyter"]),
        (["jupyterhub"], ["nlp"], []),
    ],
)
def test_the_web_doors_variables_are_asked_for_where_the_hub_is_locked(
    groups: list[str], only: list[str] | None, checked: list[str]
) -> None:
    known = {"group_names": groups, **({} if only is None else {"conda_envs_lock_only": only})}
    (connect,) = PLAYS[0]["tasks"]
    templar = Templar(loader=DataLoader(), variables={**trusted(connect["vars"]), **known})
    assert sorted(templar.template(trusted("{{ __connect_roles }}"))) == sorted(checked)
