# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook against one host, as an administrator of the lab does; and look at the host without SSH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import testinfra


@pytest.fixture
def inside(host):
    return testinfra.get_host(f"docker://{host.backend.get_hostname()}")


@pytest.fixture
def play(converge):
    """Returns a function that returns the outcome. The inventory is the whole folder: groups are in a file of their own."""
    inventory = str(Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent)

    def run(playbook, *arguments, **variables):
        return converge("-i", inventory, *arguments, playbook=playbook, **variables)

    return run
