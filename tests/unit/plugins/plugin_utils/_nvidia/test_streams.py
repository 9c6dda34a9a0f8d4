# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia import streams


@pytest.mark.parametrize(
    ("flavour", "branch", "expected"),
    [
        ("open", 580, "580-open"),
        ("open", None, "open-dkms"),
        ("proprietary", 580, "580-dkms"),
        ("proprietary", None, "latest-dkms"),
    ],
)
def test_the_stream_follows_from_kind_and_branch(flavour: str, branch: int | None, expected: str) -> None:
    assert streams.stream(flavour, branch) == expected


def test_every_part_is_held_at_one_version_and_nothing_else_is() -> None:
    lines = streams.lock("580.95.05")
    assert {"kmod-nvidia-open-dkms-580.95.05-*", "nvidia-driver-cuda-libs-580.95.05-*", "libnvidia-ml-580.95.05-*"} <= set(lines)
    assert not [line for line in lines if "container" in line or line.startswith("*")]
    assert streams.lock("") == []
