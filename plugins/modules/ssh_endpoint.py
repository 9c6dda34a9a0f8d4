# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_endpoint
short_description: Find the port on which the SSH server of a host answers
version_added: 0.1.0
description:
  - Runs on the controller. Connects to the ports and takes the one on which an SSH server introduces itself first. Each port has
    a head start of half a second before the next one is tried beside it, so a port that a firewall drops costs no more than that.
  - Nothing is logged in to, unless the ssh client reaches the host through another one (C(ProxyJump) or C(ProxyCommand), from
    Ansible's settings or from the client's own configuration). Then only a login can tell, and is tried.
  - The answer binds the identity of the host to its name (C(HostKeyAlias) in C(ssh_config(5\))), so the host key that was
    pinned at the first contact on port 22 holds on every other port, and another machine that answers there is refused by ssh.
  - A key that is only pinned for one of the ports, as V([host]:port), is found as well.
  - With a connection plugin other than P(ansible.builtin.ssh#connection) it returns at once.
  - If no port answers, the host is unreachable, and the message names each port with its reason.
author:
  - openlab.research_server maintainers (@openlab)
options:
  ports:
    description:
      - Ports to try, in this order. The port from the ssh client's own configuration is tried last.
    type: list
    elements: int
    required: true
  timeout:
    description: Seconds to wait on each port. The roles pass C(ansible_timeout), where a slow host has it in the inventory.
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
    description: Runs on the controller.
    support: full
notes:
  - Ansible does not take connection variables from a module. Set C(ansible_port) and C(ansible_ssh_common_args) from the
    return values with M(ansible.builtin.set_fact).
"""

EXAMPLES = r"""
- name: Find the port on which the host answers
  openlab.research_server.ssh_endpoint:
    ports: [2222, 22]
  register: endpoint

- name: Use it from here on
  ansible.builtin.set_fact:
    ansible_port: "{{ endpoint.port }}"
    ansible_ssh_common_args: "{{ endpoint.common_args }}"
  when: endpoint.found
"""

RETURN = r"""
found:
  description: Whether a port was looked for and found; false with other connections than ssh.
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
"""
