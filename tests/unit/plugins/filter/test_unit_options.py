# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.filter.unit_options import unit_options


def test_each_option_is_a_line_and_the_command_goes_on() -> None:
    options = {"ServerApp.ip": "127.0.0.1", "ServerApp.allow_root": False, "ServerApp.port_retries": 0}
    assert unit_options(options) == (
        ' \\\n    "--ServerApp.ip=127.0.0.1" \\\n    "--ServerApp.allow_root=False" \\\n    "--ServerApp.port_retries=0"'
    )


def test_a_list_is_an_option_for_each_item_and_nothing_is_nothing() -> None:
    assert unit_options({"names": ["a", "b"], "none": []}) == ' \\\n    "--names=a" \\\n    "--names=b"'
    assert not unit_options({})


def test_systemd_hands_over_what_was_meant() -> None:
    assert unit_options({"x": '50% of $HOME "quoted" \\ line\nbreak'}) == (
        ' \\\n    "--x=50%% of $$HOME \\"quoted\\" \\\\ line\\nbreak"'
    )
