# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold among the variables of the role accounts. Pure. Private to this collection."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping

from ...module_utils._accounts import people as account_people
from ...module_utils._accounts import projects as account_projects
from ...module_utils._accounts.entries import everyone, project


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    login_group = str(variables.get("accounts_login_group", "ssh-users"))
    projects = [project(item) for item in variables.get("accounts_projects", [])]
    people = everyone(variables.get("accounts_administrators", []), variables.get("accounts_researchers", []), projects)
    found = account_people.problems(people, login_group, now=time.time())
    return found + account_projects.problems(projects, people, login_group)
