# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sending ends when it does not end well. Private to this collection."""

from __future__ import annotations


class UnavailableError(Exception):
    """The receiver does not take anything now: this message and all behind it wait."""


class RejectedError(Exception):
    """The receiver does not take this message, or none that is sent like this; those behind it may have more luck."""
