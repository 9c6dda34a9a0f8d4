# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import packages


@pytest.fixture
def nobody_is_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests owns all the files."""
    monkeypatch.setattr(packages, "FIRST_PERSON", max(os.getuid(), os.getgid()) + 1)
