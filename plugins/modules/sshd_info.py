#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in effect on the SSH server, and where it is set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sshd_info
short_description: Tell which settings of the SSH server are in effect, and which file set them
version_added: 0.1.0
description:
  - Asks the server itself (C(sshd -T)), for everyone or for one user with all C(Match) blocks applied.
  - Tells who is logged in and from where, also below C(sudo), which hides it from C(SSH_CONNECTION).
author:
  - openlab.research_server maintainers (@openlab)
options:
  user:
    description: Login name to apply C(Match) blocks for. Without it the settings for everyone are told.
    type: str
  address:
    description: Address that O(user) would come from.
    type: str
    default: 127.0.0.1
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
requirements:
  - OpenSSH on the managed host; root.
"""

EXAMPLES = r"""
- name: What holds for alice?
  openlab.research_server.sshd_info:
    user: alice
  register: sshd

- name: Passwords must not help
  ansible.builtin.assert:
    that: sshd.settings.passwordauthentication == ['no']
"""

RETURN = r"""
settings:
  description: Values by keyword in lower case, as C(sshd -T) prints them. Keywords such as C(port) have several.
  returned: success
  type: dict
  sample: {port: ["2222"], passwordauthentication: ["no"]}
sources:
  description: Where a keyword was set first, as V(file:line). Keywords that no file sets outside C(Match) blocks are left out.
  returned: success
  type: dict
  sample: {port: "/etc/ssh/sshd_config.d/00-research-server.conf:9"}
ports:
  description: The ports of the configuration.
  returned: success
  type: list
  elements: int
  sample: [2222]
host_keys:
  description: The host's public keys that are in use, without comments.
  returned: success
  type: list
  elements: str
  sample: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."]
  version_added: 0.2.0
host_certificates:
  description: The host's certificates that are in use.
  returned: success
  type: list
  elements: str
  sample: ["ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAI..."]
  version_added: 0.2.0
session:
  description: The SSH session that the module was started from; empty without one.
  returned: success
  type: dict
  sample: {user: ops, client_address: 192.0.2.7, server_port: 2222}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._host.files import read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.session import current_session
from ..module_utils._ssh import server as ssh_server
from ..module_utils._ssh import server_config


def read(module: AnsibleModule) -> dict[str, t.Any]:
    sshd = module.get_bin_path("sshd", True, ["/usr/sbin", "/usr/local/sbin"])
    user, address = module.params["user"], module.params["address"]
    context = ["-C", ssh_server.connection(user or "", address)]
    with ssh_server.runtime_directory():
        _rc, listing, _err = module.run_command([sshd, "-T", *context], check_rc=True, environ_update={"LC_ALL": "C"})
    sources: dict[str, str] = {}
    for line in server_config.walk(ssh_server.MAIN, read_file, ssh_server.expand):
        if not line.in_match:
            sources.setdefault(line.keyword, f"{line.path}:{line.number}")
    settings = server_config.group_listing(listing)
    return {
        "settings": settings,
        "sources": sources,
        "ports": server_config.effective_ports(listing),
        "host_keys": public_parts(f"{path}.pub" for path in settings.get("hostkey", [])),
        "host_certificates": public_parts(settings.get("hostcertificate", [])),
        "session": ssh_server.describe(current_session()),
    }


def public_parts(paths: t.Iterable[str]) -> list[str]:
    """Type and key of each file, without the comment."""
    lines = (read_file(path) or "" for path in paths)
    return [" ".join(line.split()[:2]) for line in lines if line.strip()]


@guarded
def main() -> None:
    module = Module(
        argument_spec={"user": {"type": "str"}, "address": {"type": "str", "default": "127.0.0.1"}},
        supports_check_mode=True,
    )
    run_module(module, lambda module: {"changed": False, **read(module)})


if __name__ == "__main__":
    main()
