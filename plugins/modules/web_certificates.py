# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_certificates
short_description: Write a certificate for every person who opens sites with one
version_added: 0.2.0
description:
  - Runs on the controller. For each person makes a folder with C(web.pem), a key and a certificate of the lab's own authority,
    for sites of the role C(proxy) with C(auth=certificate); and C(web_ca.crt), by which a browser knows the servers.
  - A certificate holds for a year. One that ends within 30 days, is of another authority, or is among O(revoked), is made anew.
  - Whose it is, its serial number and its last day are added to C(people.txt) in O(ca_dir).
author:
  - openlab.research_server maintainers (@openlab)
options:
  directory:
    description: Folder for the folders of people, on the controller. Each file in it is its owner's alone.
    type: path
    required: true
  ca_dir:
    description: Folder of the lab's own authority, C(ca.crt) and C(ca.key), on the controller. It is made if there is none.
    type: path
    required: true
  people:
    description: Names, which are what a certificate says of its owner (CN).
    type: list
    elements: str
    required: true
  revoked:
    description: Serial numbers of certificates that are lost.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Tells whose would be made.
    support: full
  diff_mode:
    description: Tells whose are new, without a word of them.
    support: full
  action:
    description: Runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Make certificates for ada and grace
  openlab.research_server.web_certificates:
    directory: clients
    ca_dir: ca
    people: [ada, grace]
"""

RETURN = r"""
new:
  description: Whose certificates are new.
  returned: success
  type: list
  elements: str
"""
