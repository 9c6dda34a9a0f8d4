# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import getent


@pytest.mark.parametrize("name_of", [getent.user, getent.group])
def test_numbers_have_names_or_none(name_of: Callable[[int], str]) -> None:
    assert name_of(0) == "root"
    assert name_of(2**31 - 7) == ""
