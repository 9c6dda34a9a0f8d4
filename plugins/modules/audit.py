#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody declared on a host, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Find what nobody declared on a host
version_added: 0.2.0
description:
  - Reads what no task of a role would see, such as accounts, keys, listening sockets and timers that the inventory does not
    know, and compares it with what the inventory declares and with what the lab has accepted.
  - Changes nothing, in any mode. Each finding says what was found, what was expected, and what makes it legitimate or removes it.
  - It follows nothing that people own, and stops to look when its time is over.
  - What is declared is read from the variables of the roles that the host has by its groups; an option that is given wins.
author:
  - openlab.research_server maintainers (@openlab)
options:
  topics:
    description: What to look at; all topics without it.
    type: list
    elements: str
    choices:
      - accounts
      - apt sources
      - conda
      - health
      - keys
      - listeners
      - packages
      - packet filter
      - privileged files
      - schedules
      - start-up files
      - sudo
  baseline:
    description:
      - File on the controller with what the lab has accepted on this host, as C(research-server-drift accept) writes it.
        It becomes O(accepted). A file that is not there is an empty one.
    type: path
  accepted:
    description: What the lab has accepted on this host (its baseline). It is no drift; what is gone of it is a notice.
    type: list
    elements: dict
    default: []
    suboptions:
      topic:
        description: Topic of the finding.
        type: str
        required: true
      name:
        description: Name of the finding, as it is reported.
        type: str
        required: true
      reason:
        description: Why it is right, for those who read the baseline.
        type: str
  waivers:
    description: Findings that are no drift for a time.
    type: list
    elements: dict
    default: []
    suboptions:
      topic:
        description: Topic of the finding.
        type: str
        required: true
      name:
        description: Name of the finding; C(*) and C(?) stand for any signs, and for one, as in fnmatch(3).
        type: str
        required: true
      owner:
        description: Who answers for it.
        type: str
        required: true
      reason:
        description: Why it has to be.
        type: str
        required: true
      expires:
        description: The first day on which it does not count any more, C(YYYY-MM-DD), by the clock of the host.
        type: str
        required: true
  administrators:
    description: Names of those who may have every power.
    type: list
    elements: str
    default: []
  people:
    description: Names of all that have an account, administrators included.
    type: list
    elements: str
    default: []
  with_password:
    description: Names of people who have a password by the inventory, or need one for sudo.
    type: list
    elements: str
    default: []
  extra_groups:
    description: Person, and groups beyond those of the role C(accounts).
    type: dict
    default: {}
  sshd_ports:
    description: TCP ports of sshd.
    type: list
    elements: int
    default: [22]
  jupyter_ports:
    description: TCP ports of people's JupyterLabs on the loopback addresses.
    type: list
    elements: int
    default: []
  linger:
    description: Accounts whose services may run without a login.
    type: list
    elements: str
    default: []
  allow:
    description: What the firewall lets in besides SSH, as O(openlab.research_server.firewall#module:allow).
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
        description: Addresses and networks from which it can be reached.
        type: list
        elements: str
        default: []
      hosts:
        description: Hosts and groups that get this entry; all if empty.
        type: list
        elements: str
        default: []
      connections_per_source:
        description: How many connections one source may have to it at the same time; any number if V(0).
        type: int
        default: 0
      comment:
        description: What it is for.
        type: str
        default: ''
  names:
    description: The names by which O(allow[].hosts) knows this host, its own and those of its groups.
    type: list
    elements: str
    default: []
  conda_root:
    description: Prefix of the lab's conda installation; empty without one.
    type: str
    default: ''
  environments:
    description: Names of the lab's conda environments.
    type: list
    elements: str
    default: []
  channels:
    description: Channels that packages may come from, by name or URL. Without them no channel is a finding.
    type: list
    elements: str
    default: []
  kernels_dir:
    description: Folder of the lab's kernelspecs; empty without one.
    type: str
    default: ''
  roles:
    description: Roles of this collection that the host has. Files of others are findings; without them no role's are.
    type: list
    elements: str
    default: []
  seconds:
    description: Seconds that each topic has for walks over files and packages; what was not looked at then is told.
    type: int
    default: 120
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Each finding, from what is to what is expected.
    support: full
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Look for accounts and keys that nobody declared
  openlab.research_server.audit:
    topics: [accounts, keys]
    baseline: "{{ inventory_dir }}/audit/{{ inventory_hostname }}.yml"
  become: true
"""

RETURN = r"""
accepted:
  description: What the lab has accepted, as topic and name.
  returned: always
  type: list
  elements: str
  sample: ["listeners: tcp 0.0.0.0:80"]
  version_added: 0.2.0
changed:
  description: Whether there are findings. Nothing has been changed.
  returned: always
  type: bool
findings:
  description: What nobody declared, accepted or waived.
  returned: always
  type: list
  elements: dict
  contains:
    topic:
      description: One of O(topics).
      type: str
    name:
      description: What it is about; the same in each run as long as the thing is the same.
      type: str
    severity:
      description: >-
        V(error), somebody may have a power that nobody gave, or V(warning), a difference that wants to be explained. Work that
        is due is in RV(notices).
      type: str
    found:
      description: What is there.
      type: str
    expected:
      description: What was expected.
      type: str
    way_out:
      description: The line of the inventory that makes it legitimate, or the command that removes it.
      type: str
  sample:
    - topic: listeners
      name: tcp 0.0.0.0:8888 python3.11 of grace
      severity: warning
      found: jupyter-lab of grace listens on all addresses
      expected: people's programs listen on 127.0.0.1 or ::1
      way_out: stop it, or give it a port of its own in firewall_allow
notices:
  description: Work that is due, waivers, and what the baseline has and is gone.
  returned: always
  type: list
  elements: str
"""

import dataclasses
import datetime
import re
import shutil
import typing as t

from ..module_utils._audit.declared import Declared
from ..module_utils._audit.finding import Finding, digest
from ..module_utils._audit.host import Attempt, Host
from ..module_utils._audit.topics import TOPICS
from ..module_utils._audit.verdict import Waiver, judge
from ..module_utils._firewall import rules as firewall_rules
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._host.runner import Runner
from ..module_utils._text.secrets import HIDDEN, mask
from ..module_utils._text.shown import shown_line

TEXTS: dict[str, t.Any] = {"type": "list", "elements": "str", "default": []}
ENTRY: dict[str, t.Any] = {"topic": {"type": "str", "required": True}, "name": {"type": "str", "required": True}}


def declared(arguments: t.Mapping[str, t.Any]) -> Declared:
    """Raises RuleError for a port that cannot be understood."""
    let_in = firewall_rules.rules([], arguments["allow"], arguments["names"])
    open_ports = [f"{rule.ports}/{rule.protocol}" for rule in let_in if not rule.ports.startswith("@")]
    return Declared.of({**arguments, "open_ports": open_ports})


def attempts(module: Module) -> Attempt:
    """A program that is not there is an answer, too; Ansible would end the module."""
    runner = Runner(module)

    def attempt(program: str, *arguments: str) -> tuple[int, str, str]:
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        return runner.attempt(path, *arguments) if path else (127, "", f"{program}: not found")

    return attempt


def look(host: Host, wanted: Declared, topics: t.Iterable[str]) -> tuple[list[Finding], dict[str, str]]:
    """All findings, and the topics that could not be looked at to the end, each with its cause: one hides nothing of the others.

    Each topic has its own time: a long walk takes none from the next one.
    """
    findings: list[Finding] = []
    broken: dict[str, str] = {}
    for topic in topics:
        try:
            host.begin()
            findings += TOPICS[topic](host, wanted)
        except Exception as error:
            broken[topic] = f"{type(error).__name__}: {error}"
        else:
            # What was found before and is not found now may only not have been reached.
            if host.late:
                broken[topic] = f"not all of it in {host.seconds:g} s: give it more, 'audit_seconds'"
    return findings, broken


def fit(finding: Finding) -> Finding:
    """A finding on lines of its own: its name is what a baseline has, so it is made fit to be shown here."""
    texts: dict[str, t.Any] = {key: shown_line(getattr(finding, key)) for key in ("found", "expected", "way_out")}
    return dataclasses.replace(finding, name=name_of(finding.name), **texts)


def name_of(text: str) -> str:
    """A name that may be shown. Where a secret in it hides all that follows, two that differ behind it are told apart.

    The secret itself has no part in that: who sees a digest of a weak one could guess it.
    """
    told, masked = shown_line(text), mask(text)
    before = masked.removesuffix(HIDDEN)
    parts = re.split(r"[\s,]+", text[len(before) :].strip(), maxsplit=1) if text.startswith(before) else []
    return f"{told} ({digest(parts[1])})" if len(parts) > 1 and parts[1] else told


def told(finding: t.Mapping[str, str]) -> Difference:
    after = f"{finding['expected']}\n{finding['way_out']}\n"
    return difference(f"{finding['topic']}: {finding['name']}", f"{finding['found']}\n", after)


def run(module: Module) -> dict[str, t.Any]:
    topics = module.params["topics"] or sorted(TOPICS)
    try:
        wanted = declared(module.params)
        waivers = [Waiver.of(entry) for entry in module.params["waivers"]]
    except ValueError as error:
        raise RefusedError(str(error)) from error
    findings, broken = look(Host(attempts(module), seconds=module.params["seconds"]), wanted, topics)
    accepted = [(entry["topic"], entry["name"]) for entry in module.params["accepted"]]
    looked = [topic for topic in topics if topic not in broken]
    said = judge(map(fit, findings), accepted, waivers, looked, datetime.date.today())
    found = [dict(vars(item)) for item in said.drift]
    result = {
        "changed": bool(found),
        "findings": found,
        "notices": list(said.notices),
        "diff": [told(item) for item in found],
    }
    if broken:
        causes = ", ".join(f"{topic} ({cause})" for topic, cause in broken.items())
        module.fail_json(msg=f"could not look at {causes}; all other topics were looked at", **result)
    return result


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "topics": {"type": "list", "elements": "str", "choices": sorted(TOPICS)},
            # Read by the controller's side.
            "baseline": {"type": "path"},
            "accepted": {"type": "list", "elements": "dict", "default": [], "options": {**ENTRY, "reason": {"type": "str"}}},
            "waivers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**ENTRY, **{key: {"type": "str", "required": True} for key in ("owner", "reason", "expires")}},
            },
            "administrators": TEXTS,
            "people": TEXTS,
            "with_password": {**TEXTS, "no_log": False},
            "extra_groups": {"type": "dict", "default": {}},
            "sshd_ports": {"type": "list", "elements": "int", "default": [22]},
            "jupyter_ports": {"type": "list", "elements": "int", "default": []},
            "linger": TEXTS,
            "allow": firewall_rules.ALLOW_ARGUMENT,
            "names": TEXTS,
            "conda_root": {"type": "str", "default": ""},
            "environments": TEXTS,
            "channels": TEXTS,
            "kernels_dir": {"type": "str", "default": ""},
            "roles": TEXTS,
            "seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
