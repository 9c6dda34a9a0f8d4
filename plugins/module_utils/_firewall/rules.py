# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewall lets in, as data and in nft's words. Pure. Private to this collection."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Union

from .._host.refused import RefusedError

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

TABLE = ("inet", "research_server")
RULES = "/etc/research-server/firewall.nft"
SSH_PORTS = "/etc/research-server/firewall-ssh-ports.nft"
CLOSED = "/etc/research-server/firewall-closed.nft"
HEADER = "Managed by Ansible, role openlab.research_server.firewall. The next run undoes what is changed here."
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
PROTOCOLS = ("tcp", "udp")
_TEXTS = {"type": "list", "elements": "str", "default": []}
ALLOW_ARGUMENT: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "port": {"type": "str", "required": True},
        "protocol": {"type": "str", "choices": list(PROTOCOLS), "default": "tcp"},
        "from": _TEXTS,
        "hosts": _TEXTS,
        "connections_per_source": {"type": "int", "default": 0},
        "comment": {"type": "str", "default": ""},
    },
}
"""One argument of two modules: who lets in, and who looks what is let in."""
COMMENT_BYTES = 128  # nft refuses more


class Family(NamedTuple):
    """How rules speak of one version of IP."""

    version: int
    saddr: str
    everybody: str
    source: str
    """Who counts as one. Whoever has an IPv6 address has all of its network of 64 bits."""


FAMILIES = (
    Family(4, "ip saddr", "meta nfproto ipv4", "ip saddr"),
    Family(6, "ip6 saddr", "meta nfproto ipv6", "ip6 saddr & ffff:ffff:ffff:ffff::"),
)

# Nobody who is logged in notices that the table is replaced: nft makes a file one transaction.
TEMPLATE = """\
# {header}
# One table of its own. Those of others, such as Docker, libvirt and fail2ban, are not touched: no 'flush ruleset' here.
add table inet research_server
delete table inet research_server
table inet research_server {{
    # What sshd listens on. Filled by {ssh_ports}, which changes together with sshd's own configuration.
    set ssh_ports {{
        type inet_service
    }}

    # Who has how many connections to sshd from this host itself.
    set local_logins {{
        typeof meta skuid
        size 4096
        flags dynamic
    }}
{sets}
    chain input {{
        type filter hook input priority filter; policy drop;

        ct state vmap {{ established : accept, related : accept, invalid : drop }}
        iifname "lo" accept

        # Errors and echo; for IPv6 what RFC 4890, 4.4, says must not be dropped.
        icmp type {{ echo-request, destination-unreachable, time-exceeded, parameter-problem }} accept
        icmpv6 type {{ echo-request, echo-reply }} accept
        icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem }} accept
        icmpv6 type {{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
        icmpv6 type {{ ind-neighbor-solicit, ind-neighbor-advert }} ip6 hoplimit 255 accept
        ip6 saddr fe80::/10 icmpv6 type {{ mld-listener-query, mld-listener-report, mld-listener-done }} accept
        ip6 saddr fe80::/10 icmpv6 type mld2-listener-report accept

        # The answers of DHCP servers.
        udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept

{rules}

        # Who tries is told at once. What belongs to connections from before is dropped: the next packet from here revives them.
        tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset
    }}

    # Nobody here fills sshd's room for those who have not logged in yet (MaxStartups in sshd_config(5)).
    chain output {{
        type filter hook output priority filter; policy accept;
        oifname != "lo" accept
        tcp flags & (fin | syn | rst | ack) != syn accept
        tcp dport @ssh_ports meta skuid != 0 add @local_logins {{ meta skuid ct count over {logins} }} reject with tcp reset
    }}
}}
"""
# Below ten, from which on sshd as shipped refuses some of those who come (MaxStartups 10:30:100).
LOCAL_LOGINS = 8

# Sources leave it when their last connection has ended. Of more at once than there is room for, the rest are not counted.
SOURCES_TEMPLATE = """
    # Who has how many connections to {ports}.
    set {name} {{
        typeof {saddr}
        size 65536
        flags dynamic
    }}
"""

# What is loaded at boot where the rules cannot be: the same without any entry of the lab, in words that every nft knows.
CLOSED_TEMPLATE = """\
# {header}
add table inet research_server
delete table inet research_server
table inet research_server {{
    set ssh_ports {{
        type inet_service
    }}

    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname "lo" accept
        meta l4proto {{ icmp, ipv6-icmp }} accept
        udp dport {{ 68, 546 }} accept
{rules}
    }}
}}
"""

UNIT_NAME = "research-server-firewall.service"
UNIT = f"/etc/systemd/system/{UNIT_NAME}"
# What is loaded stays until something else is loaded in its place, in one step: a stop, a restart, a shutdown and a file that
# cannot be loaded leave no moment without rules.
UNIT_TEXT = """\
# {header}
[Unit]
Description=Firewall of the research server
DefaultDependencies=no
Wants=network-pre.target
After=nftables.service local-fs.target
Before=network-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c '{load}'
ExecReload=/bin/sh -c '{load}'
ProtectSystem=full
ProtectHome=true

[Install]
WantedBy=sysinit.target
"""
LOAD = (
    "{nft} -f {rules} && exit; {nft} list table inet research_server >/dev/null 2>&1 || {nft} -f {closed}; "
    "{nft} -f {ssh_ports}; exit 1"
)

# Debian's and Red Hat's service empties the whole ruleset when it is stopped, restarted or reloaded. What is ours is put back in
# the same step. The pattern lets a file be missing.
NFTABLES = "nftables.service"
NFTABLES_DROPIN = f"/etc/systemd/system/{NFTABLES}.d/50-research-server.conf"
NFTABLES_TEXT = """\
# {header}
[Unit]
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart={nft} '{start}; {ours}'
ExecReload=
ExecReload={nft} 'flush ruleset; {start}; {ours}'
ExecStop=
ExecStop={nft} 'flush ruleset; {ours}'
"""
OURS = ("firewall", "loopback")


class RuleError(RefusedError, ValueError):
    """The wanted rules cannot be had."""


class Rule(NamedTuple):
    """One thing that is let in."""

    ports: str
    """As nft writes them: a set's name with `@`, a port or a range."""
    protocol: str = "tcp"
    sources: tuple[Network, ...] = ()
    """Empty: everybody."""
    comment: str = ""
    connections: int = 0
    """How many a source may have at once; 0: any number."""

    def covers(self, address: str, port: int, ssh_ports: Iterable[int]) -> bool:
        """Whether a TCP connection from there to that port is let in."""
        return self.opens(port, ssh_ports) and (not self.sources or any(_in(address, network) for network in self.sources))

    def opens(self, port: int, ssh_ports: Iterable[int] = ()) -> bool:
        """Whether a TCP connection to that port is let in from somewhere."""
        if self.ports.startswith("@"):
            return port in ssh_ports
        low, _unused, high = self.ports.partition("-")
        return self.protocol == "tcp" and int(low) <= port <= int(high or low)

    def is_within(self, other: Rule) -> bool:
        """Whether nobody comes by it who does not come by the other."""
        return not other.sources or (
            bool(self.sources) and all(any(_lies_in(network, wider) for wider in other.sources) for network in self.sources)
        )


def _lies_in(network: Network, wider: Network) -> bool:
    return network.version == wider.version and wider.supernet_of(network)  # type: ignore[arg-type]  # of the same version


def rules(ssh_from: Iterable[str], allow: Iterable[Mapping[str, t.Any]], names: Iterable[str]) -> list[Rule]:
    """What this host lets in. ``names`` are the host's own and those of its groups."""
    here = frozenset(names)
    found = [Rule("@ssh_ports", sources=networks("firewall_ssh_from", ssh_from), comment="SSH")]
    for number, entry in enumerate(allow, 1):
        rule = _rule(f"firewall_allow, entry {number}", entry)
        if not entry.get("hosts") or here & frozenset(entry["hosts"]):
            found.append(rule)
    return found


def render(header: str, wanted: Iterable[Rule]) -> str:
    """The table, without the ports of sshd."""
    wanted = list(wanted)
    lines = [f"        {line}" for rule in wanted for line in _lines(rule)]
    # One pair for each port and limit, however many entries have it.
    limits = dict.fromkeys((rule.ports, rule.connections) for rule in wanted if rule.connections)
    sets = "".join(
        SOURCES_TEMPLATE.format(ports=ports, name=_set(ports, connections, family), saddr=family.saddr)
        for ports, connections in limits
        for family in FAMILIES
    )
    return TEMPLATE.format(header=header, ssh_ports=SSH_PORTS, logins=LOCAL_LOGINS, sets=sets, rules="\n".join(lines))


def closed(wanted: Iterable[Rule]) -> str:
    """The table that is loaded where the rules cannot be: of those that are wanted only SSH."""
    lines = [f"        {line}" for rule in wanted if rule.ports == "@ssh_ports" for line in _lines(rule)]
    return CLOSED_TEMPLATE.format(header=HEADER, rules="\n".join(lines))


def rules_file(table: str) -> str:
    """The file that is loaded at boot."""
    return f'{table}\ninclude "{SSH_PORTS}"\n'


def ssh_ports_file(ports: Iterable[int]) -> str:
    """The ports of sshd; can be loaded while the table is in use."""
    lines = ["# The ports that sshd listens on, kept by Ansible.", "flush set inet research_server ssh_ports"]
    elements = ", ".join(map(str, sorted(set(ports))))
    if elements:
        lines.append(f"add element inet research_server ssh_ports {{ {elements} }}")
    return "\n".join(lines) + "\n"


def unit(header: str, nft: str) -> str:
    return UNIT_TEXT.format(header=header, load=LOAD.format(nft=nft, rules=RULES, closed=CLOSED, ssh_ports=SSH_PORTS))


def nftables_dropin(header: str, nft: str, vendor: str) -> str | None:
    """For the distribution's own service, of which ``vendor`` is the unit file; None if that has another form than we know."""
    configuration = re.search(r"^ExecStart=\S*nft -f (/[\w./-]+)$", vendor, re.MULTILINE)
    if configuration is None:
        return None
    ours = "; ".join(f'include "/etc/research-server/{name}.nf[t]"' for name in OURS)
    return NFTABLES_TEXT.format(header=header, nft=nft, start=f'include "{configuration[1]}"', ours=ours)


def restore(listing: str) -> str:
    """What nft has to be told so that the table is what it was; the listing is empty if there was none."""
    return f"add table inet research_server\ndelete table inet research_server\n{listing}"


def cut_off(wanted: Iterable[Rule], ssh_ports: Sequence[int], address: str, port: int) -> bool:
    """Whether somebody who is logged in from there could not come again."""
    return not any(rule.covers(address, port, ssh_ports) for rule in wanted)


def networks(name: str, values: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks, those that lie in others left out: nft refuses sets that overlap."""
    found: list[Network] = []
    for value in values:
        try:
            found.append(ipaddress.ip_network(str(value).strip(), strict=False))
        except ValueError:
            raise RuleError(
                f"{name}: found '{value}'; expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32"
            ) from None
    v4 = ipaddress.collapse_addresses(network for network in found if isinstance(network, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(network for network in found if isinstance(network, ipaddress.IPv6Network))
    return (*v4, *v6)


def _rule(name: str, entry: Mapping[str, t.Any]) -> Rule:
    ports = str(entry["port"]).strip()
    match = PORTS.fullmatch(ports)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise RuleError(f"{name}: found port '{entry['port']}'; expected a number from 1 to 65535 or a range such as 60000-61000")
    protocol = entry.get("protocol") or "tcp"
    if protocol not in PROTOCOLS:
        raise RuleError(f"{name}: found protocol '{protocol}'; expected {' or '.join(PROTOCOLS)}")
    comment = str(entry.get("comment") or "")
    if len(comment.encode()) > COMMENT_BYTES or not comment.isprintable() or '"' in comment:
        raise RuleError(f"{name}: found the comment {comment!r}; expected at most {COMMENT_BYTES} bytes without quotes")
    connections = int(entry.get("connections_per_source") or 0)
    if connections < 0 or (connections and protocol != "tcp"):
        raise RuleError(
            f"{name}: found connections_per_source {connections} for {protocol}; expected a number of connections of TCP, "
            "or 0 for any number"
        )
    return Rule(
        ports=str(low) if low == high else f"{low}-{high}",
        protocol=protocol,
        sources=networks(name, entry.get("from") or []),
        comment=comment,
        connections=connections,
    )


def _lines(rule: Rule) -> list[str]:
    """Who has enough is refused; who is left is let in."""
    what = f"{rule.protocol} dport {rule.ports}"
    accept = f"{what} accept" + (f' comment "{rule.comment}"' if rule.comment else "")
    matches = list(_matches(rule.sources))
    over = f"ct count over {rule.connections}"
    lines = [
        f"{match}{what} add @{_set(rule.ports, rule.connections, family)} {{ {family.source} {over} }} reject with tcp reset"
        for family, match in matches
        if rule.connections
    ]
    return lines + ([f"{match}{accept}" for _family, match in matches] if rule.sources else [accept])


def _matches(sources: Sequence[Network]) -> Iterator[tuple[Family, str]]:
    """For each family that may come, the words that pick those of it; none where all of it may."""
    for family in FAMILIES:
        own = [network for network in sources if network.version == family.version]
        if not sources:
            yield family, ""
        elif any(network.prefixlen == 0 for network in own):
            yield family, f"{family.everybody} "
        elif own:
            yield family, f"{family.saddr} {{ {', '.join(map(str, own))} }} "


def _set(ports: str, connections: int, family: Family) -> str:
    """The kernel keeps beside each source the limit of the rule that has put it there first, so each limit has its own."""
    return f"sources_{ports}_{connections}_ipv{family.version}"


def _in(address: str, network: Network) -> bool:
    # `fe80::1%eth0` has a zone that no network is compared with.
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found in network
