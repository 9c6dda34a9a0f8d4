# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of conda's records as plain data. Private to this collection."""

from __future__ import annotations

import typing as t


def details(value: t.Any) -> t.Any:
    """Plain data of a field whose type conda may have wrapped."""
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return value if isinstance(value, int) or value is None else str(getattr(value, "value", value))
