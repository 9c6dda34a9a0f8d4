# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import yaml
from ansible_collections.openlab.research_server.plugins.filter.condarc_final import condarc_final

SETTINGS = {
    "channels": ["conda-forge", "https://host/a: b"],
    "channel_alias": "https://conda.example.org",
    "custom_channels": {"lab #1": "https://host/x"},
    "channel_priority": "strict",
    "default_channels": [],
    "proxy_servers": {},
    "exclude_newer": 7,
    "offline": False,
}


def test_each_setting_is_marked_where_it_begins() -> None:
    lines = condarc_final(SETTINGS).splitlines()
    assert [line.split(":")[0] for line in lines if line.endswith("  #!final")] == list(SETTINGS)
    assert all(line.endswith("  #!final") or line.startswith("  ") for line in lines)


def test_yaml_reads_the_same_settings() -> None:
    assert yaml.safe_load(condarc_final(SETTINGS)) == SETTINGS
