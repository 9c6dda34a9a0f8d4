# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check all variables of the roles of a host before anything is changed
version_added: 0.1.0
description:
  - Runs on the controller and starts nothing on the managed host.
  - Validates the variables of each role against its argument specification, refuses unknown variables with the prefix of
    a role, checks the platform, and runs the cross-checks of each role, such as V(no administrator has a key).
  - Reports all problems in one message.
author:
  - openlab.research_server maintainers (@openlab)
options:
  roles:
    description:
      - Names of roles of this collection, without namespace.
      - With an empty list only this is checked, without facts, whether the host is in the group of any role, or in C(unmanaged).
    type: list
    elements: str
    required: true
  unmet:
    description:
      - Whether nothing is known of the host yet. What depends on its facts, and the platform, are not looked at then.
    type: bool
    default: false
    version_added: 0.2.0
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  action:
    description: Runs on the controller.
    support: full
notes:
  - Needs the facts C(distribution), C(distribution_major_version), C(architecture) and C(service_mgr), except with O(unmet).
"""

EXAMPLES = r"""
- name: Check what the host would get
  openlab.research_server.preflight:
    roles: [accounts, sshd]
"""

RETURN = r"""
notes:
  description: What people may want to know about values that are right, such as what keeps sshd's port for root.
  returned: success
  type: list
  elements: str
  sample: ["sshd_port 2222: net.ipv4.ip_unprivileged_port_start becomes 2223, so only root may listen below that"]
platform:
  description: The platform of the host and how far the project tests it.
  returned: success
  type: str
  sample: "Debian 13: tested end to end"
"""
