# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: reach
short_description: Find a host, learn what it is, and check the variables of its roles
version_added: 0.2.0
description:
  - Does in one task, and one round trip, what M(openlab.research_server.ssh_endpoint), M(ansible.builtin.setup) and
    M(openlab.research_server.preflight) do one after the other. Each task costs every host its share of a run.
  - Gathers the facts that the roles of this collection use, over the port that it has found.
author:
  - openlab.research_server maintainers (@openlab)
options:
  ports:
    description:
      - Ports to try, in this order, as of M(openlab.research_server.ssh_endpoint).
      - Without them, the host is asked on the port that Ansible knows.
    type: list
    elements: int
  timeout:
    description: Seconds to wait on each port.
    type: int
    default: 5
  roles:
    description:
      - Names of roles of this collection whose variables are checked, as of M(openlab.research_server.preflight).
      - A host that is in the group of no role, nor in C(unmanaged), is refused before it is asked, and so is one that is in both.
      - Without this option no variable is checked.
    type: list
    elements: str
  locks:
    description: Whether the locks of these roles are to be there and to fit, where the roles' variables ask for it.
    type: bool
    default: true
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  action:
    description: Runs on the controller, and gathers facts on the host.
    support: full
notes:
  - Ansible does not take connection variables from a module. Set C(ansible_port) and C(ansible_ssh_common_args) from the
    return values with M(ansible.builtin.set_fact).
"""

EXAMPLES = r"""
- name: Reach the host
  openlab.research_server.reach:
    ports: [2222, 22]
    roles: [accounts, sshd]
  register: endpoint

- name: Use the port from here on
  ansible.builtin.set_fact:
    ansible_port: "{{ endpoint.port }}"
    ansible_ssh_common_args: "{{ endpoint.common_args }}"
  when: endpoint.found
"""

RETURN = r"""
found:
  description: Whether a port was looked for and found; false without O(ports), and with other connections than ssh.
  returned: success
  type: bool
port:
  description: The port on which an SSH server answers.
  returned: when RV(found) is true
  type: int
  sample: 2222
common_args:
  description: The host's C(ansible_ssh_common_args), with C(HostKeyAlias) added unless the ssh client has one already.
  returned: when RV(found) is true
  type: str
  sample: "-o HostKeyAlias=gpu-01.lab.example"
notes:
  description: What people may want to know about values that are right.
  returned: when O(roles) names any
  type: list
  elements: str
platform:
  description: The platform of the host and how far the project tests it.
  returned: when O(roles) names any
  type: str
  sample: "Debian 13: tested end to end"
"""
