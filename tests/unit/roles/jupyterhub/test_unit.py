# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What jupyterhub.service may do."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import RoleVariables, trusted


@pytest.mark.parametrize(
    ("login", "address", "network"),
    [
        ("pam", "", False),
        ("oidc", "", True),
        ("pam", "postgresql+psycopg:///hub", False),
        ("pam", "postgresql+psycopg:///hub?host=/run/postgresql", False),
        ("pam", "postgresql+psycopg:///hub?sslmode=disable&host=%2Frun%2Fpostgresql", False),
        ("pam", "postgresql+psycopg:///hub?host=/run/a,/run/b", False),
        ("pam", "postgresql+psycopg://hub@db.lab.example/hub", True),
        ("pam", "postgresql+psycopg:///hub?host=db.lab.example", True),
        ("pam", "postgresql+psycopg://hub@/hub?sslmode=verify-full&host=db.lab.example", True),
        ("pam", "postgresql+psycopg:///hub?host=/run/postgresql,db.lab.example", True),
        ("pam", "postgresql+psycopg:///hub?hostaddr=192.0.2.7", True),
    ],
)
def test_it_reaches_the_network_where_what_it_asks_is_there(login: str, address: str, *, network: bool) -> None:
    said = trusted({"jupyterhub_login": login, "jupyterhub_database_url": address})
    settings = RoleVariables(Templar(loader=DataLoader()), ["jupyterhub"], said).value("__jupyterhub_unit_settings")
    assert settings["RestrictAddressFamilies"] == ("AF_UNIX AF_INET AF_INET6" if network else "AF_UNIX")
