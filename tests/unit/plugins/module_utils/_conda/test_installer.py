# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.installer import age_notice


@pytest.mark.parametrize(
    ("name", "today", "says"),
    [
        ("Miniconda3-py312_26.7.1-1-Linux-x86_64.sh", (2026, 11, 26), ""),
        ("Miniconda3-py312_26.7.1-1-Linux-x86_64.sh", (2027, 6, 30), ""),
        ("Miniconda3-py312_26.7.1-1-Linux-x86_64.sh", (2027, 7, 1), "is 12 months old"),
        ("Miniconda3-py312_25.1.1-2-Linux-x86_64.sh", (2026, 11, 26), "is 22 months old"),
        ("Miniforge3-24.11.3-0-Linux-aarch64.sh", (2026, 11, 26), "is 24 months old"),
        ("Our-own-installer-7.sh", (2026, 11, 26), ""),
    ],
)
def test_an_old_release_is_told(name: str, today: tuple[int, int, int], says: str) -> None:
    found = age_notice(name, datetime.date(*today), 12)
    assert says in " ".join(found)
    assert len(found) == bool(says)
    assert age_notice(name, datetime.date(*today), 0) == []
