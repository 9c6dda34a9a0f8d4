# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: client_config
short_description: Write an ssh_config and a known_hosts file for every person of the lab
version_added: 0.2.0
description:
  - Runs once, on the controller. Reads the variables of the roles C(accounts), C(sshd) and C(jupyter) of all hosts that it is
    given.
  - For each person who is present on a host, makes a folder with C(ssh_config) and C(known_hosts). It holds no secret.
  - C(ssh_config) has an entry for each server on which the person has an account, reached through the host in the group
    C(bastion) if there is one (C(ProxyJump)), and an entry with C(-jupyter) behind its alias that opens the tunnel to the
    person's JupyterLab.
  - C(known_hosts) has the keys that the hosts themselves told over a verified connection; or, where a host shows a certificate
    that names it, the authority that signed it, for that host alone.
  - Removes from the folder of somebody who is present on no host of the inventory what it has made there.
  - Warns of what the inventory has and a host has not learnt yet, a person without an account or a server to which a bastion does
    not lead, if it is given what the hosts say.
  - Each C(ssh_config) is read by the real C(ssh -G) before it is put in its place.
author:
  - openlab.research_server maintainers (@openlab)
options:
  directory:
    description: Folder for the folders of people, on the controller.
    type: path
    required: true
  folder:
    description: Name that people give to their folder, below C(~/.ssh).
    type: str
    default: research-servers
  servers:
    description:
      - Host to what M(openlab.research_server.sshd_info) returned for it; with an administrator as its C(user) for a host in the
        group C(bastion).
    type: dict
    required: true
  accounts:
    description: Host to the names of the accounts that are there.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Tells what would change.
    support: full
  diff_mode:
    description: Shows the files.
    support: full
  action:
    description: Runs on the controller.
    support: full
notes:
  - Variables of a host that only this module reads are C(client_config_hostname), the address by which people reach the host,
    by default C(ansible_host); C(client_config_alias), by default the first part of its name; and C(client_config_jump_host),
    the host that leads to it, by default the first of the group C(bastion), or an empty text for none.
"""

EXAMPLES = r"""
- name: Read what is in effect
  openlab.research_server.sshd_info:
  become: true
  register: found

- name: Write the files
  openlab.research_server.client_config:
    directory: /srv/clients
    servers: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'found'))) }}"
  run_once: true
"""

RETURN = r"""
people:
  description: For whom there is a folder now.
  returned: success
  type: list
  elements: str
  sample: [ada, ops]
left:
  description: Who has left, and whose files were removed or, in check mode, would be.
  returned: success
  type: list
  elements: str
  sample: []
files:
  description: Files that were written or, in check mode, would be.
  returned: success
  type: list
  elements: str
  sample: [/srv/clients/ada/ssh_config]
"""
