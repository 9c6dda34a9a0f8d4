# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.kernels import boots_next


@pytest.mark.parametrize(
    ("releases", "running", "expected"),
    [
        (["6.1.0-9-amd64", "6.1.0-21-amd64"], "6.1.0-9-amd64", "6.1.0-21-amd64"),
        (["6.1.0-9-amd64", "6.1.0-21-amd64"], "6.1.0-21-amd64", "6.1.0-21-amd64"),
        (["6.12.48+deb13-amd64", "6.12.57+deb13-amd64"], "6.12.48+deb13-amd64", "6.12.57+deb13-amd64"),
        (["6.12.48+deb13-amd64", "6.12.57+deb13-cloud-amd64"], "6.12.48+deb13-amd64", "6.12.48+deb13-amd64"),
        (["6.12.48+deb13-amd64"], "6.8.0-1-of-the-machine", "6.12.48+deb13-amd64"),
        ([], "6.12.48+deb13-amd64", ""),
        (
            ["5.14.0-570.12.1.el9_6.x86_64", "5.14.0-570.32.1.el9_6.x86_64", "0-rescue-5fdc98415b424a37a7ea0ad17b2ad0fc"],
            "5.14.0-570.12.1.el9_6.x86_64",
            "5.14.0-570.32.1.el9_6.x86_64",
        ),
    ],
)
def test_the_newest_of_the_same_kind_boots_next(releases: list[str], running: str, expected: str) -> None:
    assert boots_next(releases, running) == expected
