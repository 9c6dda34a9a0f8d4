# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CUDA of a lock that several hosts follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..module_utils._nvidia.cuda import Offer, oldest

DOCUMENTATION = r"""
name: conda_lock_cuda
short_description: CUDA to solve for, from what the hosts offer that will have the lock
version_added: 0.2.0
author: openlab.research_server maintainers (@openlab)
description:
  - The oldest driver of the hosts that have one decides, so that one lock serves them all.
options:
  _input:
    description:
      - What each host offers, such as V(12.4), V(none) for one whose GPU is not to be used, or nothing where nothing is known.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what to solve for
  ansible.builtin.debug:
    msg: "{{ ['12.4', '13.0', ''] | openlab.research_server.conda_lock_cuda }}"
"""

RETURN = r"""
_value:
  description: Value of O(openlab.research_server.conda_lock#module:cuda).
  type: str
"""


def conda_lock_cuda(offers: Iterable[str]) -> str:
    known = [offer for offer in offers if offer]
    versions = [Offer(cuda=offer) for offer in known if offer != "none"]
    return oldest(versions) or ("none" if known else "auto")


class FilterModule:
    def filters(self) -> dict[str, Callable[[Iterable[str]], str]]:
        return {"conda_lock_cuda": conda_lock_cuda}
