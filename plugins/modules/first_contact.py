# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: first_contact
short_description: Pin the key of a host that is met for the first time, and find an account that gets in
version_added: 0.2.0
description:
  - Runs on the controller. Finds the port on which an SSH server answers, also behind a jump host, and reads its host key.
  - A key that is pinned already must be the same; a changed key is refused with both fingerprints. A new key is compared with
    O(fingerprints), or shown to the person at the terminal who decides, or trusted with O(accept). Then it is written to the
    first file of C(UserKnownHostsFile), as the ssh client is configured for this host, under the host's plain name.
  - Then logs in, as the administrator (C(ansible_user)) with the controller's keys, else as O(user) with the keys, else as
    O(user) with the password of the connection (C(--ask-pass), C(ansible_password)). The first who gets in and may become root
    is told.
  - Changes nothing on the managed host.
author:
  - openlab.research_server maintainers (@openlab)
options:
  ports:
    description: Ports to try, in this order. The port from the ssh client's own configuration is tried last.
    type: list
    elements: int
    required: true
  administrators:
    description:
      - Administrators that the host will have, as for M(openlab.research_server.accounts). C(ansible_user) must be one of them.
    type: list
    elements: dict
    required: true
  user:
    description: Account to log in as where the administrator cannot yet. Without it only the administrator is tried.
    type: str
  fingerprints:
    description: SHA-256 fingerprints, as C(ssh-keygen -l) prints them. The host key must have one of them.
    type: list
    elements: str
    default: []
  accept:
    description: Whether to trust an unknown host key without asking.
    type: bool
    default: false
  timeout:
    description: Seconds to wait on each port. The roles pass C(ansible_timeout), where a slow host has it in the inventory.
    type: int
    default: 5
attributes:
  check_mode:
    description: Tells whether a key would be pinned. Nobody logs in to a host whose key is not pinned yet.
    support: full
  diff_mode:
    description: The fingerprint is told instead.
    support: none
  idempotent:
    description: A key is pinned once.
    support: full
  action:
    description: Runs on the controller.
    support: full
requirements:
  - OpenSSH's client, 8.5 or newer, on the controller; with ansible-core before 2.19 also C(sshpass), to log in with a password
"""

EXAMPLES = r"""
- name: Find the host, pin its key, find an account that gets in
  openlab.research_server.first_contact:
    ports: [2222, 22]
    administrators: [{name: ops}]
    user: root
    fingerprints: ["SHA256:uNiVztksCsDhcc0u9e8BrfJH+dbVFfa1C9xXKTgXFrs"]
  register: contact
"""

RETURN = r"""
port:
  description: The first port on which an SSH server answers.
  returned: success
  type: int
  sample: 22
common_args:
  description: The host's C(ansible_ssh_common_args), with C(HostKeyAlias) added unless the ssh client has one already.
  returned: success
  type: str
  sample: "-o HostKeyAlias=gpu-01.lab.example"
host_key:
  description: The host key's C(type), C(fingerprint) and the file it is pinned in (C(pinned_in)).
  returned: success
  type: dict
user:
  description: Who gets in and may become root.
  returned: unless a key would be pinned first, in check mode
  type: str
  sample: root
by:
  description: What this account logs in with.
  returned: with RV(user)
  type: str
  sample: key
python:
  description: Version of C(python3) on the host; empty without one.
  returned: with RV(user)
  type: str
  sample: 3.11.2
sudo:
  description: V(free) where C(sudo) asks for no password, V(asks) where it does, empty where there is none.
  returned: with RV(user)
  type: str
  sample: free
"""
