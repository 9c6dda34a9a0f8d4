# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A researcher's JupyterLab, through their tunnel."""

from __future__ import annotations

import pytest
from people.jupyter_api import Jupyter, wait_until_answers
from people.researcher import login_of, port_of, token_of
from people.ssh_tunnel import tunnel


@pytest.fixture(scope="module")
def lab_of_alice(host):
    with tunnel(login_of(host, "alice"), port_of(host, "alice")) as local:
        jupyter = Jupyter(f"http://127.0.0.1:{local}", token_of(host, "alice"))
        wait_until_answers(jupyter)
        yield jupyter
