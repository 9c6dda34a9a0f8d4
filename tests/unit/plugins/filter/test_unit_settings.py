# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.filter.unit_settings import unit_settings


def test_each_setting_is_a_line_as_systemd_reads_it() -> None:
    settings = {"PrivateTmp": True, "SendSIGHUP": False, "TasksMax": 64, "User": "%i", "CapabilityBoundingSet": ""}
    assert unit_settings(settings) == "PrivateTmp=true\nSendSIGHUP=false\nTasksMax=64\nUser=%i\nCapabilityBoundingSet="


def test_a_list_is_a_line_for_each_item_and_an_empty_one_is_none() -> None:
    assert unit_settings({"DeviceAllow": ["char-nvidia* rw", "/dev/kvm rw"], "ReadWritePaths": [], "Nice": 5}) == (
        "DeviceAllow=char-nvidia* rw\nDeviceAllow=/dev/kvm rw\nNice=5"
    )
