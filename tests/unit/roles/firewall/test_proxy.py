# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewall opens for the role `proxy`."""

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import (
    ROLES,
    RoleVariables,
    read_yaml,
    trusted,
)

OFFICE: dict[str, t.Any] = {"name": "office", "from": ["192.0.2.0/24"]}
LABS: dict[str, t.Any] = {"name": "labs", "from": ["192.0.2.0/24", "2001:db8::/32"]}
ALL: dict[str, t.Any] = {"name": "all"}


def opened(groups: list[str], **variables: t.Any) -> t.Any:
    told = RoleVariables(Templar(loader=DataLoader()), ["firewall"], trusted({"group_names": groups, **variables}))
    return told.value("__firewall_proxy")


@pytest.mark.parametrize(
    ("sites", "networks"),
    [
        ([OFFICE], ["192.0.2.0/24"]),
        ([OFFICE, LABS], ["192.0.2.0/24", "2001:db8::/32"]),
        ([OFFICE, ALL], []),
        ([{**OFFICE, "from": []}, LABS], []),
    ],
)
def test_the_networks_of_all_sites_or_everybody(sites: list[dict[str, t.Any]], networks: list[str]) -> None:
    (entry,) = opened(["proxy", "firewall"], proxy_sites=sites, proxy_port=8443)
    assert (entry["port"], entry["from"]) == ("8443", networks)
    assert opened(["proxy"], proxy_sites=sites)[0]["port"] == "443"


def test_as_many_connections_for_a_source_as_the_role_proxy_says_and_by_default_as_many_as_its_default() -> None:
    default = read_yaml(ROLES / "proxy" / "defaults" / "main.yml")["proxy_connections_per_source"]
    acme = {"proxy_sites": [ALL], "proxy_acme_directory": "https://acme.example"}
    assert [entry["connections_per_source"] for entry in opened(["proxy"], **acme)] == [default, default]
    assert [entry["connections_per_source"] for entry in opened(["proxy"], **acme, proxy_connections_per_source=0)] == [0, 0]


def test_nothing_where_nothing_is_served() -> None:
    assert opened(["firewall"], proxy_sites=[ALL]) == []
    assert opened(["proxy"], proxy_sites=[]) == []
    assert opened(["proxy"]) == []
