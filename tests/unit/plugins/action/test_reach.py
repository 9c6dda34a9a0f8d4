# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COLLECTION = "ansible_collections.openlab.research_server"
PLUGINS = Path(__file__).parents[4] / "plugins"
# As Ansible does in the process from which those of all hosts and tasks come.
LOADED = f"""
import sys, ansible.plugins.loader, importlib
importlib.import_module("{COLLECTION}.plugins.action.reach")
print(*sys.modules)
"""


def test_what_every_host_needs_is_imported_once_for_all() -> None:
    """Ansible's loader compiles each file again in each process that has not inherited it."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=120)
    wanted = {
        f"{COLLECTION}.plugins.{folder.replace('/', '.')}.{path.stem}"
        for folder in ("filter", "plugin_utils/_preflight")
        for path in (PLUGINS / folder).glob("*.py")
        if path.stem != "__init__"
    }
    assert wanted - set(done.stdout.split()) == set()
