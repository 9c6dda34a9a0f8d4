# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.cache import stem


@pytest.mark.parametrize(
    ("file", "folder"), [("a-1.0-0.conda", "a-1.0-0"), ("a-1.0-0.tar.bz2", "a-1.0-0"), ("a-1.0-py3-none-any.whl", "")]
)
def test_the_folder_of_a_package_in_the_cache(file: str, folder: str) -> None:
    assert stem(file) == folder
