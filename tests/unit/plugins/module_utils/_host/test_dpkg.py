# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.module_utils._host import dpkg

STATUS = """Package: good
Essential: yes
Status: install ok installed
Version: 1:2.0-1
Description: not
 Package: imagined
 .
 Status: install ok installed

Package: gone
Status: deinstall ok config-files

Package: half
Status: install ok half-configured

Package: bad
Status: install reinstreq half-installed
"""


def test_dpkgs_states_are_read() -> None:
    assert dpkg.unfinished(STATUS) == ["half", "bad"]
    assert dpkg.installed(STATUS) == {"good": "1:2.0-1"}


def test_what_is_on_hold_also_where_a_system_needs_it() -> None:
    assert dpkg.held(STATUS.replace("Status: install", "Status: hold")) == ["good"]
    assert dpkg.held(STATUS) == []


def test_only_what_is_wanted_is_looked_at() -> None:
    assert dpkg.installed(STATUS, lambda name: name == "bad") == {}
    assert set(dpkg.installed(STATUS, lambda name: name.startswith("g"))) == {"good"}
