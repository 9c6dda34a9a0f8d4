# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches whose port on the loopback interface, in nft's words. Pure. Private to this collection.

Loopback is shared by all accounts of a host: whoever listens on a port first gets what is sent there, on any of its addresses.
The kernel knows which account a packet of this host comes from (nft(8), meta skuid), for the one who connects and for the one
who answers. sshd connects the tunnel of a person as that person.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from .._host.numbers import FIRST_PERSON

TABLE = "inet research_server_loopback"
RULES = "/etc/research-server/loopback.nft"
UNIT_NAME = "research-server-loopback.service"
UNIT = f"/etc/systemd/system/{UNIT_NAME}"

# How far the protection goes: every port on which a person listens, the ports of JupyterLab only, none.
PEOPLE, SERVERS, NONE = "people", "servers", "none"
ISOLATION = (PEOPLE, SERVERS, NONE)
# Accounts of the system, and those that systemd makes up for a service (systemd.exec(5), DynamicUser). As nobody, and as
# `nonroot` of distroless images, services run in containers that have the host's network.
DAEMONS = f"{{ 0-{FIRST_PERSON - 1}, 61184-65519, 65532, 65534 }}"

# Only packets with SYN are looked at: the client's, and the answer of who listens. Without both there is no connection.
# What fits is accepted and the rest is dropped, never the other way round: an answer that is a SYN cookie has no socket and no
# account, and 'meta skuid != 1000 drop' lets it pass.
# The contents of sets are in the rules: so 'nft --terse' shows them, and not who is connecting just now.
HEAD = """\
# {header}
# The first two lines make loading it one step, whether there is such a table or not.
table {table}
delete table {table}
table {table} {{
"""
SERVERS_CHAINS = """\
    # From elsewhere nobody reaches a JupyterLab, even one that listens on all addresses.
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname != "lo" tcp flags & (syn | ack) == syn tcp dport {ports} counter reject with tcp reset
    }}

    # Only its owner and a web server in front are let in, and only to where it listens. Others are refused, not left waiting.
    chain to_server {{
        ip daddr 127.0.0.1 meta skuid . tcp dport {visitors} return
        counter reject with tcp reset
    }}

    # Only its owner speaks from its port, also while it is down; or root, when systemd listens for it.
    chain from_server {{
        meta skuid 0 return
        meta skuid . tcp sport {owners} return
        counter drop
    }}

"""
# The connection carries who asked for it last (ct mark), so it makes no difference who had used the same ports before. nft takes
# no account for a mark: it is a hash of the account's number, and never 0. A rule cannot compare two values of a packet either;
# `same` holds each account beside its own mark. `attempts` keeps one person from filling the kernel's table of connections.
PEOPLE_CHAINS = """\
    set same {{
        typeof ct mark . meta skuid
        flags dynamic,timeout
        timeout 1m
        size 65536
    }}

    set attempts {{
        typeof meta skuid
        flags dynamic,timeout
        timeout 1m
        size 4096
    }}

    chain ask {{
        # Two who connect to each other need nobody who listens (RFC 9293, 3.5).
        ct direction reply counter drop
        ct mark set 0
        ct mark set jhash meta skuid mod 4294967295 seed 0x2e6a1f3b offset 1
        meta skuid {daemons} return
        update @attempts {{ meta skuid limit rate over 1000/second burst 2000 packets }} counter drop
        update @same {{ ct mark . meta skuid }}
    }}

    # A daemon answers everybody, a person only who has the same account.
    chain answer {{
        meta skuid {daemons} accept
{shared}\
        ct mark . meta skuid @same accept
        counter drop
    }}

"""
OUTPUT = """\
    chain output {{
        type filter hook output priority filter; policy accept;
        oifname != "lo" accept
        tcp flags & syn == 0 accept
{rules}\
    }}
}}
"""

# At boot before anybody can log in or start a job. Without ExecStop: stopping the unit must not open anything.
# nftables.service empties the whole ruleset when it is reloaded or restarted; the table is loaded again then.
UNIT_TEXT = """\
# {header}
[Unit]
Description=Ports on the loopback interface belong to those who listen there
DefaultDependencies=no
Wants=network-pre.target
After=nftables.service local-fs.target
Before=network-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
ConditionPathExists={rules}
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}
ProtectSystem=full
ProtectHome=true

[Install]
WantedBy=sysinit.target
"""


def render(header: str, isolation: str, owners: Mapping[int, int], shared: Iterable[int], guests: Sequence[int] = ()) -> str:
    """The file with the table. `owners`: port -> number of the account whose JupyterLab it is; `guests` may visit them all."""
    text, rules = HEAD.format(header=header, table=TABLE), []
    if owners:
        ports = _set(sorted(owners))
        pairs = {f"{uid} . {port}": [f"{who} . {port}" for who in (uid, *guests)] for port, uid in sorted(owners.items())}
        visitors = _set(itertools.chain.from_iterable(pairs.values()))
        text += SERVERS_CHAINS.format(ports=ports, owners=_set(pairs), visitors=visitors)
        rules += [f"tcp sport {ports} jump from_server", f"tcp flags & ack == 0 tcp dport {ports} jump to_server"]
    if isolation == PEOPLE:
        free = sorted(set(shared))
        text += PEOPLE_CHAINS.format(daemons=DAEMONS, shared=f"        tcp sport {_set(free)} accept\n" if free else "")
        rules += ["tcp flags & ack == 0 jump ask", "tcp flags & ack != 0 jump answer"]
    return text + OUTPUT.format(rules="".join(f"        {rule}\n" for rule in rules))


def unit(header: str, nft: str) -> str:
    return UNIT_TEXT.format(header=header, nft=nft, rules=RULES)


def _set(elements: Iterable[object]) -> str:
    return f"{{ {', '.join(map(str, elements))} }}"
