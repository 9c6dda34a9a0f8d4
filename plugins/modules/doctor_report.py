# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_report
short_description: Tell what the doctor found on all hosts of a play
version_added: 0.2.0
description:
  - Runs on the controller, once for all hosts (C(run_once)). Examines the controller itself too (ansible-core, the ssh client,
    other collections), prints one table, and writes a report in JSON, which only its owner can read.
author:
  - openlab.research_server maintainers (@openlab)
options:
  variable:
    description: Name of the variable in which each host has registered the result of M(openlab.research_server.doctor).
    type: str
    required: true
  dest:
    description: File to write the report to. Without it none is written.
    type: path
  full:
    description: Whether to print also what is in order.
    type: bool
    default: false
  post_quantum:
    description: As C(sshd_post_quantum) of the role C(sshd).
    type: str
    default: auto
attributes:
  check_mode:
    description: Writes the report also in check mode.
    support: full
  diff_mode:
    description: Changes nothing on a host.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Tell what was found
  openlab.research_server.doctor_report:
    variable: examined
    dest: doctor.json
  run_once: true
"""

RETURN = r"""
ready:
  description: Whether nothing stops the site, on any host.
  returned: success
  type: bool
blocked:
  description: Names of the hosts on which something does; V(controller) is this machine.
  returned: success
  type: list
  elements: str
controller:
  description: "C(verdict) (V(ready) or V(blocked)), C(counts) by severity, and C(findings) about this machine."
  returned: success
  type: dict
hosts:
  description: The same for each host, by name.
  returned: success
  type: dict
"""
