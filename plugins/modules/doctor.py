# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: Tell what would stop the site on a host
version_added: 0.2.0
description:
  - Examines a host from outside (port, host key, login, sudo) and inside (system, Python, memory, disks, clock, packages, the
    sites that conda comes from, other firewalls, ports), and its variables as M(openlab.research_server.preflight) does.
  - Changes nothing. A host that cannot be reached is a finding, not a failure of the task.
author:
  - openlab.research_server maintainers (@openlab)
options:
  roles:
    description: Roles of this collection that the host will get. By default those whose groups it is in.
    type: list
    elements: str
  note:
    description: A sentence to put in front of the findings.
    type: str
  timeout:
    description: Seconds to wait for each port and each URL.
    type: int
    default: 5
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  action:
    description: Runs on the controller, and reads on the host with M(openlab.research_server.doctor_info).
    support: full
seealso:
  - module: openlab.research_server.doctor_report
"""

EXAMPLES = r"""
- name: Examine the host
  openlab.research_server.doctor:
  become: true
  register: examined
"""

RETURN = r"""
verdict:
  description: The worst severity.
  returned: success
  type: str
  choices: [ok, warning, error]
findings:
  description: What was found.
  returned: success
  type: list
  elements: dict
  contains:
    topic: {description: What was looked at., type: str, sample: disk}
    severity: {description: "V(ok), V(warning), or V(error) for what stops the site.", type: str, sample: error}
    found: {description: What was found., type: str, sample: "/opt: 0.4 GiB of 20.0 GiB free"}
    expected: {description: What was expected., type: str, sample: 3.0 GiB or more}
    do: {description: What to do., type: str, sample: make room}
"""
