# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a user or group number is. Data. Private to this collection."""

from __future__ import annotations

FIRST_PERSON = 1000  # login.defs(5), UID_MIN
NOBODY = frozenset({65534, 65535})  # the second one is -1 to programs from the days of 16 bits
