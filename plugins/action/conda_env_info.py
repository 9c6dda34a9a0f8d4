# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of conda_env_info: read the environment file to compare with, as conda_env does."""

from __future__ import annotations

from ..plugin_utils._conda.action import SpecificationAction


class ActionModule(SpecificationAction):
    MODULE = "openlab.research_server.conda_env_info"
    _supports_async = True
