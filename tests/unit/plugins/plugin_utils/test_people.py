# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.plugin_utils._people import groups_of


def test_a_project_is_a_group_of_its_members() -> None:
    variables = {
        "accounts_administrators": [{"name": "ops", "groups": ["adm"]}],
        "accounts_researchers": [{"name": "ada"}, {"name": "eve", "state": "absent", "groups": ["gone"]}],
        "accounts_projects": [
            {"name": "vision", "members": ["ada", "eve"]},
            {"name": "speech", "group": "audio", "members": ["ada", "ops"]},
            {"name": "empty"},
        ],
        "accounts_login_group": "ssh-users",
    }
    assert groups_of(variables.get) == {
        "ops": {"ssh-users", "adm", "audio"},
        "ada": {"ssh-users", "vision", "audio"},
    }


def test_a_host_without_lists_has_nobody() -> None:
    assert groups_of({"accounts_login_group": "ssh-users"}.get) == {}
