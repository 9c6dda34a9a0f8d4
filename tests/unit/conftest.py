# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A busy machine is no failure: examples have no deadline. The collection is found as Ansible finds it."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

# Before anything of it is imported: the roles' variables use its filters.
init_plugin_loader()

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
