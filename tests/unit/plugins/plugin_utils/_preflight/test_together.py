# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._jupyter.port import port_of
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.together import check

ADAS = port_of("ada", {})


@pytest.mark.parametrize(
    ("sshd", "jupyter", "says"),
    [
        ({"sshd_port": 2222}, {"jupyter_users": ["ada"]}, ""),
        ({"sshd_port": 2222}, {"jupyter_users": ["ada"], "jupyter_ports": {"ada": 2222}}, "found 2222 for the JupyterLab of ada"),
        ({"sshd_port": ADAS}, {"jupyter_users": ["ada"]}, f"found {ADAS} for the JupyterLab of ada, which is sshd_port"),
        ({"sshd_port": 2222, "sshd_previous_ports": [ADAS]}, {"jupyter_users": ["ada"]}, "one of sshd_previous_ports"),
        ({"sshd_port": 2222}, {"jupyter_shared_ports": [2222]}, "jupyter_shared_ports: found 2222, which is sshd_port"),
        ({}, {"jupyter_users": ["ada"]}, ""),
    ],
)
def test_sshd_and_jupyterlab_have_ports_of_their_own(sshd: dict[str, t.Any], jupyter: dict[str, t.Any], says: str) -> None:
    found = check({"sshd": sshd, "jupyter": jupyter})
    assert says in " ".join(found)
    assert len(found) == bool(says)


@pytest.mark.parametrize(
    ("login", "allowed", "fits"),
    [
        ("ssh-users", ["ssh-users"], True),
        ("lab", ["ssh-users"], False),
        ("lab", ["ssh-users", "wheel"], True),
        ("lab", ["lab"], True),
    ],
)
def test_somebody_with_an_account_is_let_in(login: str, allowed: list[str], fits: bool) -> None:
    accounts = {
        "accounts_login_group": login,
        "accounts_administrators": [{"name": "ops", "groups": ["wheel"]}, {"name": "old", "state": "absent"}],
        "accounts_researchers": [{"name": "ada"}],
    }
    found = check({"accounts": accounts, "sshd": {"sshd_port": 2222, "sshd_allow_groups": allowed}})
    assert len(found) == (not fits) and all(f"'{login}' (accounts_login_group)" in line for line in found)


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        ({"port": "2000-3000"}, False),
        ({"port": 2222}, False),
        ({"port": "2000-3000", "from": ["192.0.2.0/24"]}, False),
        ({"port": "2000-3000", "from": ["10.1.0.0/16"]}, True),
        ({"port": "2000-3000", "from": ["10.1.0.0/16", "2001:db8::/32"]}, False),
        ({"port": "2000-3000", "protocol": "udp"}, True),
        ({"port": "2000-2221"}, True),
        ({"port": "2000-3000", "hosts": ["another"]}, True),
    ],
)
def test_no_range_opens_the_port_of_sshd_to_more_than_may_come(entry: dict[str, t.Any], fits: bool) -> None:
    firewall = {"firewall_ssh_from": ["10.0.0.0/8"], "firewall_allow": [entry]}
    found = check({"firewall": firewall, "sshd": {"sshd_port": 2222}})
    assert len(found) == (not fits) and all("which opens sshd's port 2222 to more" in line for line in found)
    assert check({"firewall": {**firewall, "firewall_ssh_from": []}, "sshd": {"sshd_port": 2222}}) == []


def test_nobody_has_lingering_by_one_role_and_not_by_another() -> None:
    people = [{"name": "ada"}, {"name": "bob", "linger": False}, {"name": "eve", "linger": True}]
    found = check({"accounts": {"accounts_researchers": people}, "workbench": {"workbench_linger": ["ada", "bob", "eve"]}})
    assert len(found) == 1 and found[0].startswith("workbench_linger: found 'bob'")


FITS = {"miniconda_prefix": "/opt/miniconda3"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"conda_envs": {"conda_envs_conda_root": "/opt/miniconda3"}, "jupyter": {"jupyter_conda_prefix": "/srv/conda/"}}, []),
        ({"conda_envs": {"conda_envs_conda_root": "/opt/$x"}}, ["conda_envs_conda_root"]),
        ({"miniconda": FITS, "jupyter": {"jupyter_conda_prefix": "/opt/a;b"}}, ["jupyter_conda_prefix"]),
        ({"conda_envs": {"conda_envs_conda_root": "/ a"}, "jupyter": {"jupyter_conda_prefix": "b"}}, ["/ a", "found 'b'"]),
        # One fault is told once, whoever else follows that variable.
        ({"conda_envs": {"conda_envs_conda_root": "/ a"}, "jupyter": {"jupyter_conda_prefix": "/ a"}}, ["found '/ a'"]),
        ({"miniconda": {}, "conda_envs": {"conda_envs_conda_root": "/opt/$x"}}, []),
    ],
)
def test_where_conda_is_can_stand_in_a_script(values: dict[str, t.Any], named: list[str]) -> None:
    found = check(values)
    assert len(found) == len(named), found
    assert all(word in line and "expected an absolute path" in line for word, line in zip(named, found, strict=True))


def test_browsers_and_ssh_have_ports_of_their_own() -> None:
    sshd = {"sshd_port": 443, "sshd_previous_ports": [8443]}
    for port, says in ((443, 1), (8443, 1), (444, 0)):
        found = check({"sshd": sshd, "proxy": {"proxy_port": port}})
        assert len(found) == says and all(f"proxy_port: found {port}" in line for line in found)
    assert check({"proxy": {"proxy_port": 443}}) == []


LABS = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": "certificate"}
SERVED = {"jupyter_users": ["ada", "bob"], "jupyter_listen": "port"}


@pytest.mark.parametrize(
    ("change", "jupyter", "says"),
    [
        ({}, SERVED, ""),
        ({"users": ["ada"]}, SERVED, ""),
        ({}, {}, ""),  # what is wrong with it is told by its own check
        ({}, None, "put it into the group jupyter"),
        ({}, {**SERVED, "jupyter_listen": "socket"}, "set that"),
        ({"users": ["ada", "zoe"]}, SERVED, "users: found zoe, without a JupyterLab on this host"),
        ({}, {**SERVED, "jupyter_users": ["bob"]}, "found nobody who could come in: none of ada, grace"),
        ({"auth": "basic"}, SERVED, "found nobody who could come in: none of nobody"),
    ],
)
def test_jupyterlabs_behind_the_web_server_are_there(
    change: dict[str, t.Any], jupyter: dict[str, t.Any] | None, says: str
) -> None:
    proxy = {"proxy_port": 443, "proxy_people": ["ada", "grace"], "proxy_passwords": {}, "proxy_sites": [{**LABS, **change}]}
    found = check({"proxy": proxy, **({} if jupyter is None else {"jupyter": jupyter})})
    assert len(found) == bool(says) and all(line.startswith("proxy_sites, entry lab:") and says in line for line in found)


BY_HUB = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": "hub"}


@pytest.mark.parametrize(
    ("site", "hub", "says"),
    [
        (BY_HUB, {"jupyterhub_users": ["ada"]}, ""),
        (BY_HUB, {}, ""),  # what is wrong with it is told by its own check
        (BY_HUB, None, "put it into the group jupyterhub, too"),
        (LABS, {"jupyterhub_users": ["ada"]}, "found no entry with 'auth: hub'"),
        (BY_HUB, {"jupyterhub_users": ["ada", "zoe"]}, "jupyterhub_users: found zoe, without a JupyterLab"),
        (BY_HUB, {"jupyterhub_users": ["zoe"]}, "found nobody who could come in: none of zoe"),
    ],
)
def test_a_login_page_has_something_behind_it(site: dict[str, t.Any], hub: dict[str, t.Any] | None, says: str) -> None:
    proxy = {"proxy_port": 443, "proxy_people": ["ada"], "proxy_passwords": {}, "proxy_sites": [site]}
    found = check({"proxy": proxy, "jupyter": SERVED, **({} if hub is None else {"jupyterhub": hub})})
    assert bool(found) == bool(says) and says in " ".join(found)


def test_a_login_page_is_reached_through_the_web_server() -> None:
    (found,) = check({"jupyter": SERVED, "jupyterhub": {"jupyterhub_users": ["ada"]}})
    assert "put the host into the group proxy, too" in found
