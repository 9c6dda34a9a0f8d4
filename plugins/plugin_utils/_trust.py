# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core takes for a template, in its releases that mark what is one and in those that mark what is none. Private to
this collection."""

from __future__ import annotations

try:
    from ansible.template import is_trusted_as_template, trust_as_template
except ImportError:  # ansible-core 2.18, to which every string is a template unless it is marked as unsafe
    trust_as_template = str

    def is_trusted_as_template(value: object) -> bool:
        return False


__all__ = ["is_trusted_as_template", "trust_as_template"]
