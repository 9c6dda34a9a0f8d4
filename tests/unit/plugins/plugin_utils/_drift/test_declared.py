# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the roles' own defaults below what a lab's inventory says."""

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.declared import CONDA, READ, declared
from ansible_collections.openlab.research_server.plugins.plugin_utils._jupyter.port import port_of
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import RoleVariables, trusted

ADA: dict[str, t.Any] = {"name": "ada", "state": "present"}
ALICE: dict[str, t.Any] = {"name": "alice", "groups": ["video", 27]}
GONE: dict[str, t.Any] = {"name": "gone", "state": "absent", "groups": ["video"]}
LAB: dict[str, t.Any] = {
    "accounts_administrators": [ADA, {**GONE, "name": "left"}],
    "accounts_researchers": [ALICE, GONE],
}
ALLOW = [{"port": 8443}, {"port": "60000-61000", "protocol": "udp"}]
# What is declared by variables of roles that a host does not have is not there.
ALL: dict[str, t.Any] = {
    **LAB,
    "sshd_port": 2022,
    "firewall_allow": ALLOW,
    "miniconda_allowlist_channels": ["conda-forge"],
    "conda_envs_environments": [{"name": "nlp"}, {"name": 2026}],
    "jupyter_users": ["alice"],
}


def told(*roles: str, **variables: t.Any) -> dict[str, t.Any]:
    return declared(RoleVariables(Templar(loader=DataLoader()), READ, trusted(variables)).value, roles)


def test_a_host_of_which_nothing_is_said() -> None:
    nothing: dict[str, t.Any] = {"administrators": [], "people": [], "with_password": [], "extra_groups": {}}
    assert told() == {**nothing, "allow": [], "environments": [], "roles": [], "sshd_ports": [22]}
    assert told("sshd", **LAB)["people"] == [], "without the role accounts nobody is declared"


def test_who_has_a_password_or_needs_one_for_sudo() -> None:
    people = {
        "accounts_administrators": [{"name": "ada"}, {"name": "eve", "sudo_nopasswd": True}],
        "accounts_researchers": [{"name": "bob"}, {"name": "zoe", "password": "$y$hash"}],
    }
    assert told("accounts", **people)["with_password"] == ["ada", "zoe"]


def test_of_a_role_that_a_host_does_not_have_nothing_is_declared() -> None:
    found = told("accounts", **ALL)
    always = {"administrators", "people", "with_password", "extra_groups", "sshd_ports", "allow", "environments", "roles"}
    assert found.keys() == always
    assert found["roles"] == ["accounts"]
    assert (found["sshd_ports"], found["allow"], found["environments"]) == ([22], [], [])


def test_people_are_those_who_are_there() -> None:
    found = told("accounts", **LAB)
    assert found["administrators"] == ["ada"]
    assert found["people"] == ["ada", "alice"]
    assert found["extra_groups"] == {"ada": [], "alice": ["video", "27"]}


def test_an_administrator_who_is_also_a_researcher_has_an_administrator_s_groups() -> None:
    both = {"accounts_administrators": [{**ADA, "groups": ["docker"]}], "accounts_researchers": [{**ADA, "groups": ["video"]}]}
    found = told("accounts", **both)
    assert (found["people"], found["extra_groups"]) == (["ada"], {"ada": ["docker"]})


@pytest.mark.parametrize(
    ("roles", "variables", "port"),
    [
        ([], {}, 22),
        ([], {"ansible_port": 2200}, 2200),
        ([], {"ansible_port": "{{ sshd_port }}"}, 2222),
        ([], {"ansible_port": "2200"}, 2200),
        (["sshd"], {"ansible_port": 2200}, 2222),
        (["sshd"], {"ansible_port": 2200, "sshd_port": "2022"}, 2022),
    ],
)
def test_sshd_listens_where_its_role_or_else_ansible_says(roles: list[str], variables: dict[str, t.Any], port: int) -> None:
    assert told(*roles, **variables)["sshd_ports"] == [port]


def test_what_the_firewall_lets_in() -> None:
    assert told("firewall", firewall_allow=ALLOW)["allow"] == ALLOW
    assert told("firewall")["allow"] == []


@pytest.mark.parametrize("role", CONDA)
def test_each_role_with_conda_has_the_lab_s_installation_and_its_channels(role: str) -> None:
    found = told(role)
    assert (found["conda_root"], found["channels"]) == ("/opt/miniconda3", [])
    found = told(role, miniconda_prefix="/srv/conda", miniconda_allowlist_channels=["conda-forge", 1])
    assert (found["conda_root"], found["channels"]) == ("/srv/conda", ["conda-forge", "1"])
    own = "jupyter_conda_prefix" if role == "jupyter" else "conda_envs_conda_root"
    assert told(role, miniconda_prefix="/srv/conda", **{own: "/data/conda"})["conda_root"] == "/data/conda"


def test_environments_and_kernels() -> None:
    found = told("conda_envs", **ALL)
    assert (found["environments"], found["kernels_dir"]) == (["nlp", "2026"], "/usr/local/share/jupyter/kernels")
    assert told("conda_envs", conda_envs_kernels_dir="/k")["kernels_dir"] == "/k"
    assert told("jupyter", "conda_envs", **ALL)["environments"] == ["nlp", "2026", "jupyter"]
    alone = told("jupyter", **ALL)
    assert alone["environments"] == ["jupyter"]
    assert "kernels_dir" not in alone
    assert "jupyter_ports" not in found


def test_people_have_a_jupyterlab_by_the_role_s_own_rule() -> None:
    assert told("jupyter", **LAB)["jupyter_ports"] == [port_of("alice")]
    assert told("jupyter", **LAB, jupyter_users=["ada", "alice"], jupyter_ports={"ada": 9001})["jupyter_ports"] == [
        9001,
        port_of("alice"),
    ]
    assert told("jupyter", **LAB, jupyter_users=["zoe", "ada"], jupyter_ports={"ada": 9001, "zoe": 9002})["jupyter_ports"] == [
        9001,
        9002,
    ]
    assert told("jupyter", **LAB, jupyter_users=[])["jupyter_ports"] == []


def test_the_hub_has_an_environment_of_its_own() -> None:
    assert told("jupyterhub", **ALL)["environments"] == ["jupyterhub"]


def test_the_workbench_has_an_environment_of_its_own_and_says_who_lingers() -> None:
    assert told("workbench", **ALL)["environments"] == ["nbstripout"]
    assert told("workbench", **ALL, workbench_nbstripout=False)["environments"] == []
    assert told("workbench", **ALL)["linger"] == ["alice"], "who is gone does not linger"
    assert told("workbench", **ALL, workbench_linger=["zoe"])["linger"] == ["zoe"]


def test_the_port_of_the_proxy_is_open_by_its_role() -> None:
    assert told("proxy")["allow"] == [{"port": "443"}]
    assert told("proxy", "firewall", **ALL, proxy_port=8443)["allow"] == [*ALLOW, {"port": "8443"}]
    assert ALL["firewall_allow"] == ALLOW and len(ALLOW) == 2
