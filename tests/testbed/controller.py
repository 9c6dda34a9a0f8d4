# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook without its beginning: a Python that has loaded Ansible becomes it, as often as it is asked.

A run costs a second of CPU before its first task, and each of its workers loads again what a task needs.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Mapping

from loaded import Loaded

# The command itself, and what its workers load: filters and tests, the way to a host, what packs modules and reads their answers.
LOAD = """
import gc, multiprocessing.popen_fork, multiprocessing.shared_memory, multiprocessing.synchronize, pprint, pty, ssl, tomllib
import xml.dom.minidom, xml.etree.ElementTree
import ansible.cli.playbook, ansible.executor.module_common, ansible.parsing.yaml.dumper, ansible.utils.encrypt
import ansible.plugins.connection.ssh, ansible.plugins.strategy.linear
from ansible.plugins.loader import filter_loader, test_loader
list(filter_loader.all()), list(test_loader.all())
gc.freeze()
"""
# Its folder for temporary files is made when Ansible is loaded, so it goes with that process. Until then modules stay packed.
BECOME = """
import atexit, sys
from ansible.cli import playbook
from ansible.utils.path import cleanup_tmp_file
atexit.unregister(cleanup_tmp_file)
sys.argv[0] = "ansible-playbook"
playbook.main()
"""


@functools.cache
def _ansible(environment: frozenset[tuple[str, str]]) -> Loaded:
    """It reads its settings when it is loaded: one for each environment."""
    return Loaded(sys.executable, LOAD, dict(environment))


def play(*arguments: str, environment: Mapping[str, str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook to its end."""
    # pytest writes the name of each test there.
    settings = {name: value for name, value in environment.items() if name != "PYTEST_CURRENT_TEST"}
    return _ansible(frozenset(settings.items())).run(BECOME, *arguments, environment=settings, seconds=seconds)
