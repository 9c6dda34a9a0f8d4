# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ssh client of a person has to know about the lab's servers. Pure. Private to this collection."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...module_utils._ssh.certificates import parse_certificate
from ...module_utils._ssh.keys import KeyFormatError, parse
from .endpoint import with_port

# What ssh_config(5) takes as a word of its own: no blanks, no quotes, no patterns.
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:%-]*")
JUPYTER = "-jupyter"
DOORS = "/run/lab-jupyter"


class Server(NamedTuple):
    """One server, as its variables and the server itself say."""

    name: str
    """Its name in the inventory, under which its identity is known."""
    alias: str
    hostname: str
    port: int
    host_keys: Sequence[str]
    host_certificates: Sequence[str] = ()
    jump: str = ""
    """Name of the server that leads to it; empty if it is reached directly."""
    people: Mapping[str, frozenset[str]] = {}
    """Who has an account there -> the groups of that account."""
    jump_groups: frozenset[str] | None = None
    """Who may jump through this server; None: it is not a bastion, and its configuration stops nobody."""
    shell_accounts: frozenset[str] = frozenset()
    """Who may jump through it in any case."""
    agent_groups: frozenset[str] = frozenset()
    jupyter: Mapping[str, int] = {}
    """Who has a JupyterLab there -> its port, which is that of their end of the tunnel."""
    jupyter_sockets: bool = False
    """The JupyterLabs there listen on UNIX sockets."""
    accounts: frozenset[str] | None = None
    """Whom the server itself knows; None: it was not asked."""
    leads_to: frozenset[str] | None = None
    """Where the server itself lets an administrator through to, as ``host:port``; None: it was not asked, or stops nobody."""


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Name -> what to type for it: the first part of it, where that is enough."""
    listed = list(names)
    short = {name: name if _is_address(name) else name.partition(".")[0] for name in listed}
    count = Counter(short.values())
    return {name: short[name] if count[short[name]] == 1 else name for name in listed}


def problems(servers: Sequence[Server]) -> list[str]:
    """One sentence for each thing that is wrong with the servers: found, expected, what to do."""
    found = []
    known = {server.name for server in servers}
    for server in servers:
        for what, value in (("name", server.name), ("alias", server.alias), ("address", server.hostname)):
            if not WORD.fullmatch(value):
                found.append(f"{server.name}: found {what} '{value}'; expected letters, digits, '.', '-', '_' and ':'")
        if server.jump and server.jump not in known:
            found.append(
                f"{server.name}: is reached through '{server.jump}', which is not among the servers of this run; "
                "run for both, or set client_config_jump_host"
            )
        if not server.host_keys:
            found.append(f"{server.name}: found no host key; expected at least one. Apply the role sshd")
        found += [f"{server.name}: found a host key that is none: {why}; look who owns the server" for why in _no_keys(server)]
    words = Counter(word for server in servers for word in sorted({server.name, server.alias, f"{server.alias}{JUPYTER}"}))
    for word, count in sorted(words.items()):
        if count > 1:
            found.append(f"found {count} servers for the alias '{word}'; set client_config_alias for one of them")
    return found


def reachable(person: str, servers: Sequence[Server]) -> tuple[list[Server], list[str]]:
    """The servers that the person can log in to, and sentences on those where there is an account but no way."""
    by_name = {server.name: server for server in servers}
    found, lost = [], []
    for server in servers:
        if person not in server.people:
            continue
        door = by_name[server.jump] if server.jump else None
        if door is not None and person not in door.people:
            lost.append(f"{person} cannot reach {server.name}: has no account on {door.name}, which leads to it")
        elif door is not None and not _may_jump(person, door):
            lost.append(f"{person} cannot reach {server.name}: is in none of the sshd_jump_groups of {door.name}")
        else:
            found.append(server)
    return found, lost


def outdated(servers: Sequence[Server]) -> list[str]:
    """Sentences on what the inventory has and a server has not learnt yet: the files would lead to a closed door."""
    by_name = {server.name: server for server in servers}
    found = []
    for server in servers:
        new = sorted(set(server.people) - server.accounts) if server.accounts is not None else []
        if new:
            found.append(f"{server.name} has no account yet for {', '.join(new)}; apply the site to it first (-l {server.name})")
        door = by_name.get(server.jump)
        if door and door.leads_to is not None and with_port(server.hostname, server.port) not in door.leads_to:
            found.append(f"{door.name} does not lead to {server.name} yet; apply the site to it first (-l {door.name})")
    return found


def is_ours(person: str, text: str) -> bool:
    """Whether this is a file that was made for this person, as opposed to one that somebody has put there."""
    return text.startswith(_header(person))


def _header(person: str) -> str:
    return f"# For {person}. Made by Ansible, playbook openlab.research_server.client_config; "


def ssh_config(person: str, servers: Sequence[Server], folder: str) -> str:
    """The text of the file for this person. ``folder`` is where the person keeps it, below ``~/.ssh``."""
    alias = {server.name: server.alias for server in servers}
    entries: list[list[str]] = []
    for server in servers:
        # A jump needs no agent on the way.
        agent = "yes" if server.people[person] & server.agent_groups and server.jump_groups is None else "no"
        entries.append([*_head(_words(server), server, alias), f"ForwardAgent {agent}"])
    for server in servers:
        if person not in server.jupyter:
            continue
        near = f"127.0.0.1:{server.jupyter[person]}"
        far = f"{DOORS}/{person}.sock" if server.jupyter_sockets else near
        entries.append(
            [
                *_head(f"{server.alias}{JUPYTER}", server, alias),
                f"LocalForward {near} {far}",
                "ExitOnForwardFailure yes",
                # Clients before OpenSSH 8.7 do not know it, and would refuse the whole file.
                "IgnoreUnknown SessionType",
                "SessionType none",
                "RequestTTY no",
                "ForwardAgent no",
            ]
        )
    everywhere = " ".join(words for words, *_rest in entries)
    entries.append(
        [
            everywhere,
            f"User {person}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile ~/.ssh/{folder}/known_hosts",
            "StrictHostKeyChecking yes",
        ]
    )
    header = [
        f"{_header(person)}do not edit, it is made anew.",
        f"# Keep this folder as ~/.ssh/{folder}, and put at the top of ~/.ssh/config: Include {folder}/ssh_config",
    ]
    blocks = ["\n    ".join([f"Host {words}", *lines]) for words, *lines in entries]
    return "\n\n".join(["\n".join(header), *blocks]) + "\n"


def known_hosts(servers: Iterable[Server], now: float) -> str:
    """The identities of the servers, under all names that a client may look for."""
    lines = []
    for server in servers:
        names = ",".join(
            dict.fromkeys(
                [server.name, server.alias, _known_name(server.name, server.port), _known_name(server.hostname, server.port)]
            )
        )
        certified = _authorities(server, now)
        lines += [f"@cert-authority {names} {authority}" for authority in dict.fromkeys(certified.values())]
        # As it was understood, not as the server wrote it.
        keys = [parse(key) for key in server.host_keys]
        lines += [f"{names} {key.line}" for key in keys if key.blob not in certified]
    return "".join(f"{line}\n" for line in lines)


def _no_keys(server: Server) -> Iterator[str]:
    for line in server.host_keys:
        try:
            key = parse(line)
        except KeyFormatError as error:
            yield str(error)
        else:
            if key.options:
                yield f"there is '{key.options}' before it"


def _authorities(server: Server, now: float) -> dict[bytes, str]:
    """Key of the server -> the authority that vouches for it, if a client would believe the certificate."""
    found = {}
    for line in server.host_certificates:
        try:
            certificate = parse_certificate(line)
        except KeyFormatError:
            continue
        if certificate.host and server.name in certificate.principals and certificate.valid_before > now:
            found[certificate.key] = certificate.authority.line
    return found


def _head(words: str, server: Server, alias: Mapping[str, str]) -> list[str]:
    jump = [f"ProxyJump {alias[server.jump]}"] if server.jump else []
    return [words, f"HostName {server.hostname}", f"Port {server.port}", f"HostKeyAlias {server.name}", *jump]


def _words(server: Server) -> str:
    return " ".join(dict.fromkeys([server.alias, server.name]))


def _may_jump(person: str, door: Server) -> bool:
    return door.jump_groups is None or person in door.shell_accounts or bool(door.people[person] & door.jump_groups)


def _known_name(name: str, port: int) -> str:
    """As in sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: the brackets are for ports other than 22."""
    return name if port == 22 else f"[{name}]:{port}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
