# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What redirects, drops, accepts or forwards packets beside the lab's own firewall. Private to this collection.

Which rules matter, and why (nft(8), "Statements"):

- A packet that is redirected reaches another program than the one it was for, such as an sshd that collects passwords.
- A packet that is dropped, or decided on by a program, does not reach whom the lab lets in.
- `accept` is final for its own chain only, so it opens nothing that the lab's table drops. But somebody wanted to open a port,
  and has, for the day on which the lab's table is gone.
- What is forwarded makes the host a way into networks that trust it.

Where the lab has no firewall there is nothing to compare: only what is redirected, and the kernel's settings, are findings.
All other statements (count, log, mark, return, jump) decide nothing by themselves. The roles compare the lab's own tables.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from .._firewall import loopback, rules
from .._text.escapes import in_one_line
from .declared import Declared
from .finding import Finding, Severity
from .host import DOCKER_RESOLVER, Host

TOPIC = "packet filter"

NFT = ("/usr/sbin/nft", "/sbin/nft")
# Family -> the tables of the kernel's older filter, and who shows them.
LEGACY = {
    "ip": ("/proc/net/ip_tables_names", "iptables-legacy", ("/usr/sbin/iptables-legacy-save", "/sbin/iptables-legacy-save")),
    "ip6": ("/proc/net/ip6_tables_names", "ip6tables-legacy", ("/usr/sbin/ip6tables-legacy-save", "/sbin/ip6tables-legacy-save")),
}
OURS = frozenset({" ".join(rules.TABLE), loopback.TABLE})
NAME_LIMIT = 160

REDIRECTS, DROPS, OPENS, FORWARDS = "redirects packets", "drops packets", "accepts packets", "forwards packets"
# nft's statements, and the targets of iptables-extensions(8).
DOES = {
    **dict.fromkeys(("redirect", "dnat", "tproxy", "netmap", "fwd", "dup", "tee"), REDIRECTS),
    **dict.fromkeys(("drop", "reject", "queue", "nfqueue"), DROPS),
    **dict.fromkeys(("accept", "vmap"), OPENS),
    **dict.fromkeys(("masquerade", "snat", "flow"), FORWARDS),
}
EXPECTED = {
    REDIRECTS: "packets reach whom they are for",
    DROPS: "only the lab's own firewall keeps packets out",
    OPENS: "only the lab's own firewall lets packets in, by firewall_allow",
    FORWARDS: "no way through this host into other networks",
}
# Where somebody can be cut off, or let in; what is only passed on is no matter of theirs.
INWARDS = frozenset({"", "ingress", "prerouting", "input"})
CUTS_OFF = INWARDS | {"output", "egress"}


NOTHING = "(?!)"
RESOLVER = re.escape(DOCKER_RESOLVER)
DOCKER_BRIDGES = r"docker0|docker_gwbridge|br-[0-9a-f]{12}"


class Program(t.NamedTuple):
    """Somebody who makes rules by himself, known by their names, where he is installed."""

    installed: tuple[str, ...]
    tables: str
    chains: str
    bridges: str = NOTHING
    """His own interfaces: of them he also speaks in chains that are everybody's, and for them he forwards."""
    only: frozenset[str] = frozenset(EXPECTED)
    text: str = ""
    """What each of his rules has."""


# fail2ban: action.d/nftables.conf, action.d/iptables.conf. Docker: "Packet filtering and firewalls". Podman: netavark's firewall
# drivers. libvirt: "Firewall and network filtering".
PROGRAMS = (
    Program(("/usr/bin/fail2ban-server",), r"(inet|ip|ip6) f2b-table", r"f2b-.*", only=frozenset({DROPS})),
    Program(("/usr/bin/dockerd", "/usr/sbin/dockerd"), r"(ip|ip6) docker-bridges", r"DOCKER(-.*)?", DOCKER_BRIDGES),
    # Its resolver for names, in a container's own network (Docker, "Embedded DNS server").
    Program(
        ("/.dockerenv",),
        NOTHING,
        r"DOCKER_(OUTPUT|POSTROUTING)",
        text=rf"ip [sd]addr {RESOLVER} |^-[sd] {RESOLVER}/32 ",
    ),
    Program(("/usr/bin/podman",), r"inet netavark", r"(NETAVARK|CNI)[-_].*", r"podman\d+|cni-podman\d+"),
    Program(("/usr/sbin/libvirtd", "/usr/sbin/virtnetworkd"), r"(ip|ip6) libvirt_network", r"LIBVIRT_.*", r"virbr\d+"),
)
INTERFACE = r"(?:\b[io]ifname (?:!= )?|-[io] )(?:{})(?![\w.-])"
# A packet of a host to itself goes nowhere else.
TO_ITSELF = re.compile(r"saddr (\S+) ip6? daddr \1 |-s (\S+) -d \2 ")
# A container has its engine's setting for IPv4: a new network namespace inherits it (ip-sysctl, devconf_inherit_init_net).
# Of podman, of plugins of CNI.
OF_ENGINES = re.compile(r"(?:netns|cni)-[0-9a-f]{8}-[0-9a-f-]{27}|rootless-netns(?:-.+)?")
IN_CONTAINER = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")


class Rule(t.NamedTuple):
    table: str
    chain: str
    hook: str
    """Of a base chain."""
    nat: bool
    text: str
    statements: frozenset[str]
    way_out: str

    @property
    def does(self) -> str:
        """What of it matters, the worst first; empty if nothing does."""
        found = {DOES.get(statement, "") for statement in self.statements}
        if REDIRECTS in found:
            return REDIRECTS
        if FORWARDS in found or (OPENS in found and self.hook == "forward"):
            return "" if TO_ITSELF.search(self.text) else FORWARDS
        if DROPS in found and self.hook in CUTS_OFF:
            return DROPS
        # In a chain for addresses it means: this packet keeps its own.
        return OPENS if OPENS in found and self.hook in INWARDS and not self.nat else ""


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    programs = [program for program in PROGRAMS if _there(host, program.installed)]
    firewall = bool(declared.open_ports) or host.status(rules.RULES) is not None
    for rule in (*nft(host), *legacy(host)):
        does = rule.does
        if does and (firewall or does == REDIRECTS) and not _known(rule, programs):
            severity: Severity = "error" if does == REDIRECTS else "warning"
            where = f"{rule.table} {rule.chain}"
            name = in_one_line(_short(f"{where}: {rule.text}"))
            found = f"a rule that {does}: {where}: {rule.text}"
            yield Finding(TOPIC, name, in_one_line(found), EXPECTED[does], in_one_line(rule.way_out), severity)
    yield from _namespaces(host)
    yield from _settings(host, [program.bridges for program in programs if program.bridges != NOTHING])


def _namespaces(host: Host) -> Iterator[Finding]:
    """Networks of their own beside this one (ip-netns(8)): with rules and listeners that are not seen from here."""
    for name in host.names("/run/netns"):
        if not OF_ENGINES.fullmatch(name):
            title, found = (
                in_one_line(f"network namespace {name}"),
                "a network with rules and listeners of its own",
            )
            yield Finding(TOPIC, title, found, "none", in_one_line(f"ip netns pids {name}; ip netns del {name}"), "warning")


def nft(host: Host) -> Iterator[Rule]:
    """The rules of all tables but ours, without their counters and the contents of sets, which change by themselves."""
    program = _there(host, NFT)
    listing = host.output(program, "--json", "--stateless", "--terse", "list", "ruleset") if program else ""
    if not listing:
        return
    chains: dict[tuple[str, str], Mapping[str, t.Any]] = {}
    for item in json.loads(listing)["nftables"]:
        for kind, value in item.items():
            table = f"{value.get('family')} {value.get('table')}"
            if table in OURS:
                continue
            if kind == "chain":
                chains[table, value["name"]] = value
                yield from _policy(table, value["name"], value.get("hook", ""), value.get("policy", ""), "nft")
            elif kind == "rule":
                chain = chains.get((table, value["chain"]), {})
                statements = frozenset(_statements(value["expr"]))
                way_out = (
                    f"nft delete rule {table} {value['chain']} handle {value.get('handle')}, and its line in /etc/nftables.conf"
                )
                text = _words(value["expr"])
                yield Rule(table, value["chain"], chain.get("hook", ""), chain.get("type") == "nat", text, statements, way_out)


def legacy(host: Host) -> Iterator[Rule]:
    """The same of iptables' own tables (iptables-save(8)), where the kernel has any."""
    for family, (tables, command, savers) in LEGACY.items():
        program = _there(host, savers)
        listing = host.output(program) if program and (host.text(tables) or "").strip() else ""
        table = ""
        for line in listing.splitlines():
            words = line.split()
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith(":") and len(words) > 1:
                yield from _policy(
                    f"{family} {table}", words[0][1:], words[0][1:].lower(), words[1].lower(), f"{command} -t {table}"
                )
            elif words[:1] == ["-A"] and len(words) > 2:
                targets = frozenset(after.lower() for before, after in zip(words, words[1:]) if before in ("-j", "--jump"))
                hook = words[1].lower() if words[1].isupper() and words[1].lower() in _HOOKS else ""
                way_out = f"{command} -t {table} -D {line[3:]}"
                yield Rule(f"{family} {table}", words[1], hook, table == "nat", " ".join(words[2:]), targets, way_out)


_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")


def _policy(table: str, chain: str, hook: str, policy: str, command: str) -> Iterator[Rule]:
    """What becomes of packets that no rule of a base chain decides on; to accept them is everybody's default."""
    if hook and policy == "drop":
        accept = f"nft chain {table} {chain} '{{ policy accept; }}'" if command == "nft" else f"{command} -P {chain} ACCEPT"
        yield Rule(table, chain, hook, False, "policy drop", frozenset({"drop"}), accept)


def _known(rule: Rule, programs: Iterable[Program]) -> bool:
    return any(
        rule.does in program.only
        and re.search(program.text, rule.text)
        and (
            re.fullmatch(program.tables, rule.table)
            or re.fullmatch(program.chains, rule.chain)
            or (rule.does != REDIRECTS and rule.chain.isupper() and re.search(INTERFACE.format(program.bridges), rule.text))
        )
        for program in programs
    )


def _settings(host: Host, bridges: list[str]) -> Iterator[Finding]:
    """`bridges` are interfaces of those who forward for their guests; where there are none nobody has to."""
    families = ["ipv6"] if _there(host, IN_CONTAINER) else ["ipv4", "ipv6"]
    for family in families if not bridges else ():
        for setting in _switched_on(host, family, "forwarding"):
            yield _setting(setting, "the host forwards packets between its networks", "warning")
    for setting in _switched_on(host, "ipv4", "route_localnet", "|".join(bridges) or NOTHING):
        yield _setting(setting, "packets from elsewhere reach 127.0.0.0/8", "error")


def _switched_on(host: Host, family: str, key: str, but: str = NOTHING) -> list[str]:
    """A setting for all interfaces, or for some (ip-sysctl in the kernel's documentation)."""
    folder = f"/proc/sys/net/{family}/conf"
    on = [name for name in host.names(folder) if (host.text(f"{folder}/{name}/{key}") or "").strip() not in ("", "0")]
    # What interfaces to come will have is what those have that came.
    names = [name for name in on if name != "default" and not re.fullmatch(but, name)]
    return [f"net.{family}.conf.{name}.{key}" for name in (["all"] if "all" in on else names)]


def _setting(name: str, what: str, severity: Severity) -> Finding:
    way_out = f"sysctl -w {name}=0, and remove its line in /etc/sysctl.conf or /etc/sysctl.d"
    return Finding(
        TOPIC, in_one_line(name), in_one_line(f"{name} is on: {what}"), "0, as the kernel has it", in_one_line(way_out), severity
    )


def _statements(expressions: Iterable[Mapping[str, t.Any]]) -> Iterator[str]:
    """What a rule does, by nft's names; the targets of iptables-nft are `xt` where nft has no word for them."""
    for expression in expressions:
        for key, value in expression.items():
            if key == "xt" and isinstance(value, dict):
                yield str(value.get("name")).lower() if value.get("type") == "target" else key
            elif key == "vmap" and isinstance(value["data"], dict):
                yield from (verdict for _value, verdicts in value["data"].get("set", ()) for verdict in verdicts)
            else:
                yield key


# Says nothing about which packets, or is another one at each look.
_SILENT = frozenset({"counter", "log", "comment"})


def _words(value: t.Any) -> str:
    """A part of a rule, about as nft writes it: short, and the same each time."""
    if isinstance(value, list):
        return " ".join(filter(None, map(_words, value)))
    if not isinstance(value, dict):
        return str(value)
    return " ".join(filter(None, (_phrase(key, item) for key, item in value.items())))


def _phrase(key: str, value: t.Any) -> str:
    if key in _SILENT:
        return ""
    if value is None:
        return key
    if not isinstance(value, (dict, list)):
        return f"{key} {value}"
    if isinstance(value, list):
        joined = {"set": ("{", ", ", "}"), "range": ("", "-", ""), "&": ("", " & ", "")}.get(key, (f"{key} ", ",", ""))
        return joined[0] + joined[1].join(map(_words, value)) + joined[2]
    known: dict[str, t.Callable[[], str]] = {
        "match": lambda: " ".join(
            filter(None, (_words(value["left"]), "!=" if value["op"] == "!=" else "", _words(value["right"])))
        ),
        "payload": lambda: " ".join(map(str, value.values())),
        "meta": lambda: str(value.get("key")),
        "ct": lambda: "ct " + " ".join(map(str, value.values())),
        "jump": lambda: f"jump {value['target']}",
        "goto": lambda: f"goto {value['target']}",
        "vmap": lambda: f"{_words(value['key'])} vmap {_words(value['data'])}",
        "prefix": lambda: f"{value['addr']}/{value['len']}",
        "xt": lambda: str(value.get("name")).lower(),
    }
    return known[key]() if key in known else f"{key} {_words(value)}".strip()


def _short(text: str) -> str:
    """A name of bearable length, and yet of this rule alone."""
    if len(text) <= NAME_LIMIT:
        return text
    return f"{text[:NAME_LIMIT]}... {hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _there(host: Host, paths: Iterable[str]) -> str:
    return next((path for path in paths if host.status(path) is not None), "")
