# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.filter.conda_lock_cuda import conda_lock_cuda


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        (["12.4", "13.0", "12.10", ""], "12.4"),
        (["12.10", "12.9"], "12.9"),
        (["none", "12.4"], "12.4"),
        (["none", ""], "none"),
        (["", ""], "auto"),
        ([], "auto"),
    ],
)
def test_the_oldest_driver_decides(offers: list[str], expected: str) -> None:
    assert conda_lock_cuda(offers) == expected
