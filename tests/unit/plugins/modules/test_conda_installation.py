# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import installer
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.mutex import exclusive, mutex_file
from ansible_collections.openlab.research_server.plugins.modules import conda_installation


def test_somebody_else_who_works_on_conda_itself_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    prefix = str(tmp_path / "conda")
    wanted = installer.Installer("Miniconda3-py313_25.7.0-2-Linux-x86_64.sh", "0" * 64)
    with exclusive(mutex_file(prefix), "base", 0), pytest.raises(CondaEnvError) as caught:
        conda_installation.apply({"prefix": prefix, "lock_timeout": 0}, wanted, str(tmp_path))
    assert "'lock_timeout'" in caught.value.way_out
    assert not Path(prefix).exists()
