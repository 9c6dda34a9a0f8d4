# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.filter.jupyter_web import jupyter_web

NAMES = ["gpu1.lab", "gpu1"]


def test_without_a_site_for_it_nothing_is_opened() -> None:
    nothing = {"addresses": [], "login": False, "options": {}}
    assert jupyter_web([], NAMES) == jupyter_web(None, NAMES) == jupyter_web([{"to": "hub", "auth": "hub"}], NAMES) == nothing


def test_browsers_come_by_each_name_and_the_port_is_told_where_it_is_not_that_of_https() -> None:
    sites = [{"to": "jupyter", "auth": "basic"}]
    assert jupyter_web(sites, NAMES)["addresses"] == ["https://gpu1.lab", "https://gpu1"]
    assert jupyter_web(sites, NAMES, "8443")["addresses"] == ["https://gpu1.lab:8443", "https://gpu1:8443"]
    assert jupyter_web(sites, NAMES, "443")["addresses"] == ["https://gpu1.lab", "https://gpu1"]


def test_the_hub_is_asked_where_a_site_says_so() -> None:
    basic = jupyter_web([{"to": "jupyter", "auth": "basic"}], NAMES)
    both = jupyter_web([{"to": "jupyter", "auth": "basic"}, {"to": "jupyter", "auth": "hub"}], NAMES)
    options = {"ServerApp.local_hostnames": ["localhost", *NAMES], "ServerApp.trust_xheaders": True}
    assert (basic["login"], basic["options"]) == (False, options)
    assert (both["login"], both["options"]) == (True, {**options, "ServerApp.identity_provider_class": "__main__.TwoDoors"})
