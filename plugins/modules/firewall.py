#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One nftables table, applied so that nobody is locked out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Let in only what is served, with rules that are undone unless a new login confirms them
version_added: 0.2.0
description:
  - Keeps one nftables table, C(inet research_server), with one chain for what comes in. All other tables, such as those of
    Docker, libvirt and fail2ban, stay as they are, and what they refuse stays refused. What is forwarded to containers is not
    filtered here.
  - Always let in are answers, the loopback interface, the ICMP and ICMPv6 that IP needs, answers of DHCP servers, and the
    ports that sshd listens on. M(openlab.research_server.sshd_config) keeps those ports current when it moves sshd.
  - What the kernel has loaded is compared with what the rules would load, both in nft's own words; a rule that somebody has
    added or deleted by hand is noticed.
  - A change is staged first. The rules are loaded, the file for the next boot is not written yet, and a timer on the host
    loads what was there before unless O(state=confirmed) comes in time, over a new SSH login.
  - Nothing is changed if the rules would cut off the SSH session that the module is started from, or where another firewall
    (ufw, firewalld, shorewall, iptables-persistent) is in charge.
author:
  - openlab.research_server maintainers (@openlab)
options:
  state:
    description:
      - V(applied) compares and, if something differs, stages the change.
      - V(confirmed) makes a staged change final, also for the next boot.
      - V(undone) loads what was there before a staged change.
    type: str
    choices: [applied, confirmed, undone]
    default: applied
  ssh_from:
    description: Addresses and networks (CIDR) from which the ports of sshd can be reached; everybody if empty.
    type: list
    elements: str
    default: []
  allow:
    description: What else is let in.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: A port, or a range such as V(60000-61000).
        type: str
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description: Addresses and networks (CIDR), IPv4 and IPv6; everybody if empty.
        type: list
        elements: str
        default: []
      hosts:
        description: Hosts and groups of the inventory that get this entry; all if empty.
        type: list
        elements: str
        default: []
      connections_per_source:
        description:
          - How many TCP connections one source may have to the port at the same time, an address of IPv4 or a network of 64 bits
            of IPv6. Further ones are refused until some of them have ended. Any number if V(0).
          - Those that were open before the rules were loaded are not counted.
        type: int
        default: 0
      comment:
        description: What it is for; shown by C(nft list table inet research_server).
        type: str
        default: ""
  names:
    description: The names by which O(allow[].hosts) knows this host, its own and those of its groups.
    type: list
    elements: str
    default: []
  undo_after:
    description: Seconds after which the host undoes a staged change that nobody has confirmed.
    type: int
    default: 120
attributes:
  check_mode:
    description: Tells what would change, and whether it would be refused.
    support: full
  diff_mode:
    description: Shows the table as it is loaded and as it would be, and the files.
    support: full
  idempotent:
    description: A second run changes nothing, as long as nobody else touches the table or the files.
    support: full
requirements:
  - nftables, systemd and C(unshare) (util-linux) on the managed host; root.
"""

EXAMPLES = r"""
- name: Stage the rules
  openlab.research_server.firewall:
    ssh_from: [192.0.2.0/24, "2001:db8::/32"]
    allow:
      - {port: "443", comment: reverse proxy}
      - {port: "9100", from: [192.0.2.10], comment: monitoring}
  register: firewall

- name: Log in anew
  ansible.builtin.meta: reset_connection

- name: Keep them
  openlab.research_server.firewall:
    state: confirmed
  when: firewall.pending
"""

RETURN = r"""
pending:
  description: Whether a change waits for its confirmation.
  returned: success
  type: bool
installed:
  description: Whether nftables is installed. Without it nothing is compared and nothing changed.
  returned: when O(state=applied)
  type: bool
ssh_ports:
  description: The ports of sshd that are let in.
  returned: when O(state=applied)
  type: list
  elements: int
  sample: [2222]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._firewall import others
from ..module_utils._firewall import rules as firewall_rules
from ..module_utils._firewall.loading import enable, loading, unit_differences
from ..module_utils._host import rights
from ..module_utils._host.difference import difference
from ..module_utils._host.files import read_file
from ..module_utils._host.module import Module, guarded
from ..module_utils._host.refused import RefusedError
from ..module_utils._host.session import current_session
from ..module_utils._host.undo import STATE_ARGUMENTS, File, Files, Stages, Transaction, run_module
from ..module_utils._ssh.server import Sshd, unit_text

NFT = "/usr/sbin/nft"
LINK = f"/etc/systemd/system/sysinit.target.wants/{firewall_rules.UNIT_NAME}"
# Terse: who is connecting just now is no part of the rules. What sshd listens on is.
SHOW = "nft -s -t list table inet research_server && nft -s list set inet research_server ssh_ports"


class Host(Sshd):
    """The questions that the module asks the host; none of them changes anything."""

    def __init__(self, module: AnsibleModule) -> None:
        super().__init__(module)
        self.nft: str = module.get_bin_path("nft", False, ["/usr/sbin", "/sbin"]) or ""

    def loaded(self) -> str:
        """The table as the kernel has it; empty if it has none."""
        rc, out, _err = self.attempt("sh", "-c", SHOW)
        return out if rc == 0 else ""

    def as_loaded(self, text: str) -> str:
        """How the kernel would show this text once loaded, tried in a network namespace of its own."""
        return self.run("unshare", "--net", "sh", "-c", f"nft -f - && {SHOW}", data=text)

    def activate(self) -> None:
        self.run("systemctl", "daemon-reload")
        enable(self, firewall_rules.UNIT_NAME, LINK)
        # Loads what is loaded already; so systemd knows that it is.
        self.run("systemctl", "reload-or-restart", firewall_rules.UNIT_NAME)


def apply(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    params = module.params
    other = others.found()
    if other:
        raise RefusedError(
            f"found {' and '.join(other)} active; expected no second firewall, since a packet has to please both",
            "Take its rules over into firewall_allow and switch it off, or take the host out of the group firewall. Nothing has "
            "been changed",
        )
    rules = firewall_rules.rules(params["ssh_from"], params["allow"], params["names"])
    session = current_session()
    # Its files may have changed since it was started; the port by which this run came in stays open in any case.
    ports = sorted({*host.ports(), *([session.server_port] if session else [])})
    table = firewall_rules.render(firewall_rules.HEADER, rules)
    if session is not None and firewall_rules.cut_off(rules, ports, session.client_address, session.server_port):
        raise RefusedError(
            f"found this run logged in from {session.client_address} to port {session.server_port}. The rules would not let it "
            f"in again; expected that address in firewall_ssh_from ({', '.join(params['ssh_from'])}). Nothing has been changed"
        )
    interrupted = transaction.pending
    if interrupted and not module.check_mode:
        # Left behind by a run that ended half-way. Start again from what was there before it.
        transaction.undo()
    wanted: Files = {
        firewall_rules.RULES: File(firewall_rules.rules_file(table)),
        firewall_rules.SSH_PORTS: File(firewall_rules.ssh_ports_file(ports)),
        firewall_rules.CLOSED: File(firewall_rules.closed(rules)),
        firewall_rules.UNIT: File(firewall_rules.unit(firewall_rules.HEADER, host.nft or NFT)),
    }
    dropin = firewall_rules.nftables_dropin(firewall_rules.HEADER, host.nft or NFT, unit_text(firewall_rules.NFTABLES))
    if dropin is not None:
        wanted[firewall_rules.NFTABLES_DROPIN] = File(dropin)
    final = {path: file for path, file in wanted.items() if read_file(path) != file.text}
    wrong = rights.faults({path: file.mode for path, file in wanted.items()})
    diff = [difference(path, read_file(path), file.text) for path, file in sorted(final.items())]
    result: dict[str, t.Any] = {"changed": True, "pending": False, "installed": bool(host.nft), "ssh_ports": ports, "diff": diff}
    if not host.nft:
        return result
    if wrong and not module.check_mode:
        rights.mend(wrong)
    program = table + (wanted[firewall_rules.SSH_PORTS].text or "")
    before, after = host.loaded(), host.as_loaded(program)
    diff += loading("loaded", before, after, firewall_rules.RULES, final)
    diff += unit_differences(host, firewall_rules.UNIT_NAME, LINK)
    differs = bool(diff or interrupted)
    diff += rights.differences(wrong)
    result["changed"] = differs or bool(wrong)
    if module.check_mode or not differs:
        return result
    transaction.stage(
        {}, wanted, None, back=[f"nft -f - <<'END'\n{firewall_rules.restore(before)}\nEND"], undo_after=params["undo_after"]
    )
    try:
        host.run("nft", "-f", "-", data=program)
    except RefusedError:
        transaction.undo()
        raise
    return {**result, "pending": True}


def confirm(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    transaction.note()
    if not module.check_mode:
        transaction.confirm(host.activate)
    return {"changed": True, "pending": module.check_mode}


@guarded
def main() -> None:
    texts = {"type": "list", "elements": "str", "default": []}
    module = Module(
        argument_spec={
            **STATE_ARGUMENTS,
            "ssh_from": texts,
            "allow": firewall_rules.ALLOW_ARGUMENT,
            "names": texts,
        },
        supports_check_mode=True,
    )
    run_module(module, "firewall", Host, Stages(apply, confirm))


if __name__ == "__main__":
    main()
