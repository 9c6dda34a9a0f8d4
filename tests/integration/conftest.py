# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real conda for all tests."""

from __future__ import annotations

import once
import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, install


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make integration` plays all."""
    once.select(config, items)


@pytest.fixture(scope="session")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Conda:
    return install(tmp_path_factory.mktemp("conda"))
