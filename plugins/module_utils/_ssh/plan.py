# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change so that sshd does what the data says: facts in, plan out. Pure. Private to this collection."""

from __future__ import annotations

import posixpath
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from typing import NamedTuple

from .._firewall import rules as firewall_rules
from .._host.networks import parse as parse_network
from .._host.networks import with_address
from .._host.refused import RefusedError
from .._host.session import Session
from .._host.undo import File, Files
from . import access as ssh_access
from . import port as ssh_port
from . import recovery as ssh_recovery
from . import server_config
from . import trust as ssh_trust
from .keys import KeyFormatError, parse
from .server_config import MAIN, Line

HEADER = "Managed by Ansible, role openlab.research_server.sshd. The next run undoes what is changed here."
MODULI = "/etc/ssh/moduli"
# Of the smallest group that stays, as moduli(5) counts them: one less than the length of the prime.
MODULI_MINIMUM = 3071
PENALTIES_SINCE = (9, 8)


class Existing(NamedTuple):
    """A file as it is."""

    text: str
    mode: int = 0o644


class Facts(NamedTuple):
    """What the host says; read once."""

    version: tuple[int, int]
    """Of OpenSSH."""
    algorithms: Mapping[str, Sequence[str]]
    """What ``ssh -Q`` answers."""
    files: Mapping[str, Existing]
    """sshd's own files, and those that the plan may replace; those that do not exist are missing."""
    host_keys: Mapping[str, str]
    """Path of the private key -> public key, where both exist."""
    ports: ssh_port.Ports
    firewall: bool = False
    """Whether the role firewall is in use."""
    unread: Sequence[str] = ()
    """Files and folders of its configuration that have changed since sshd has read them."""

    def read(self, path: str) -> str | None:
        return self.files[path].text if path in self.files else None

    def mode(self, path: str) -> int:
        return self.files[path].mode if path in self.files else 0o644


class Wishes(NamedTuple):
    """What the data says."""

    settings: Mapping[str, t.Any]
    since: Sequence[Mapping[str, t.Any]] = ()
    match: Sequence[Mapping[str, t.Any]] = ()
    trust: ssh_trust.Trust = ssh_trust.Trust()
    penalty_exempt: Sequence[str] = ()
    """Addresses and networks."""
    path: str = "/etc/ssh/sshd_config.d/00-research-server.conf"
    rsa_bits: int = 4096


class Plan(NamedTuple):
    """What is to be done."""

    final: Files
    """What is different from how it shall be."""
    staged: Files
    """What is written first: the same, and both ways in."""
    ports: tuple[int, ...]
    phases: tuple[ssh_port.Phase, ssh_port.Phase, ssh_port.Phase]
    """Staged, final, back."""
    start: tuple[int, int] | None
    """The kernel's limit as it is and as it has to be, if it is too low."""
    displaced: Sequence[Line]
    overridden: Sequence[Line]
    """Lines in Match blocks of other files that nothing of ours wins over."""
    conditional: Sequence[Line]
    """Such lines that our own Match blocks win over, for whom they match."""
    access: Sequence[Line]
    """Lines of other files that decide who gets in, and that stay."""
    missing_keys: Sequence[str]
    settings: Mapping[str, t.Any]
    matches: Sequence[Mapping[str, t.Any]]
    files: Files
    """Every file as it will be, changed or not."""

    @property
    def settled(self) -> Files:
        """Everything that was staged, as it shall be in the end."""
        return {**{name: self.files.get(name, File(None)) for name in self.staged}, **self.final}

    @property
    def managed(self) -> list[str]:
        return sorted(self.settings)

    @property
    def allow_groups(self) -> list[str]:
        return [str(group) for group in as_list(self.setting("AllowGroups"))]

    @property
    def root_login(self) -> bool:
        return str(self.setting("PermitRootLogin", "no")) not in ("no", "False")

    def setting(self, keyword: str, default: t.Any = None) -> t.Any:
        """By its name in any case, as sshd reads it."""
        return next((value for name, value in self.settings.items() if name.lower() == keyword.lower()), default)


def make_plan(facts: Facts, wishes: Wishes, session: Session | None) -> Plan:
    """:class:`RefusedError` if the wishes cannot be had on this host."""
    certificates = _certificates(facts, wishes)
    settings = _settings(facts, wishes, session, certificates)
    ports = tuple(int(port) for port in as_list(settings.get("Port")))
    if not ports:
        raise RefusedError("found no Port in the settings; expected at least one")
    matches = [*wishes.match, *ssh_trust.matches(wishes.trust)]
    phases = ssh_port.phases(facts.ports, ports)
    both = phases[0].ports

    # The files as they will be: our own in its place, and included.
    future: Files = {wishes.path: _own_file(settings, matches, ports)}
    future.update((name, File(None)) for name in facts.files if posixpath.dirname(name) == ssh_trust.FOLDER)
    future.update((name, File(text)) for name, text in ssh_trust.files(wishes.trust, HEADER, certificates).items())
    lines = _included(facts, future, wishes.path)
    _refuse_addresses(lines, wishes.path)
    general, conditional = server_config.rivals(lines, wishes.path, settings)
    conditional = [line for line in conditional if server_config.says_otherwise(line, settings)]
    # Among Match blocks the first counts, and ours come first.
    own = {keyword.lower() for match in matches for keyword in match["settings"]}
    read = _reader(facts, future)
    for name in sorted({line.path for line in general}):
        numbers = [line.number for line in general if line.path == name]
        future[name] = File(server_config.comment_out(read(name) or "", numbers, f"Set in {wishes.path}"), facts.mode(name))
    moduli = facts.read(MODULI)
    if moduli is not None:
        text = server_config.strong_moduli(moduli, MODULI_MINIMUM)
        future[MODULI] = File(text, facts.mode(MODULI), shown=False)
    command = ssh_recovery.script(HEADER, wishes.path, facts.ports.service)
    future[ssh_recovery.COMMAND] = File(command, 0o700)
    addresses = _addresses(lines)
    _refuse_gaps(facts.ports, ports, addresses)
    future.update(_system_files(facts, phases[1], addresses))

    final = {name: file for name, file in future.items() if _differs(facts, name, file, wishes.path)}
    between = {**future, wishes.path: _own_file(settings, matches, both), **_system_files(facts, phases[0], addresses)}
    # What the configuration in use still names goes last, when the change is final.
    staged = {name: file for name, file in between.items() if file.text is not None and _differs(facts, name, file, wishes.path)}
    wanted_start = phases[1].start
    return Plan(
        final=final,
        staged=staged,
        ports=ports,
        phases=phases,
        start=(facts.ports.start, wanted_start) if wanted_start is not None and facts.ports.start < wanted_start else None,
        displaced=general,
        overridden=[line for line in conditional if line.keyword not in own],
        conditional=[line for line in conditional if line.keyword in own],
        access=[
            line for line in lines if line.keyword in ssh_access.KEYWORDS and line.path != wishes.path and line not in general
        ],
        missing_keys=[str(name) for name in as_list(settings.get("HostKey")) if weak_host_key(facts, str(name), wishes.rsa_bits)],
        settings=settings,
        matches=matches,
        files=future,
    )


def setting(line: Line) -> str:
    """A line for a person."""
    return f"{line.path}:{line.number}: {line.keyword} {line.value}"


def place(line: Line) -> str:
    return f"{line.path}:{line.number}"


def as_list(value: t.Any) -> list[t.Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def weak_host_key(facts: Facts, path: str, rsa_bits: int) -> bool:
    """Whether a host key has to be made, or made anew."""
    if path not in facts.host_keys:
        return True
    try:
        key = parse(facts.host_keys[path])
    except KeyFormatError:
        return False
    return key.type == "ssh-rsa" and key.bits < rsa_bits


def _certificates(facts: Facts, wishes: Wishes) -> dict[str, t.Any]:
    """The certificates of this host by their paths."""
    for problem in ssh_trust.problems(wishes.trust):
        raise RefusedError(problem)
    if not wishes.trust.host_certificates:
        return {}
    names = [str(name) for name in as_list(wishes.settings.get("HostKey"))]
    strong = {name: facts.host_keys.get(name, "") for name in names if not weak_host_key(facts, name, wishes.rsa_bits)}
    try:
        return ssh_trust.host_certificates(wishes.trust, strong)
    except KeyFormatError as error:
        raise RefusedError(str(error)) from error


def _settings(facts: Facts, wishes: Wishes, session: Session | None, certificates: Iterable[str]) -> dict[str, t.Any]:
    known = wishes.penalty_exempt if facts.version >= PENALTIES_SINCE else ()
    exempt = with_address(known, session.client_address if session else None)
    penalties = {"version": "{}.{}".format(*PENALTIES_SINCE), "settings": {"PerSourcePenaltyExemptList": exempt}}
    wanted = {**ssh_trust.settings(wishes.trust, certificates), **wishes.settings}
    return server_config.settings_for(facts.version, wanted, [*wishes.since, penalties], lambda query: facts.algorithms[query])


def _own_file(settings: Mapping[str, t.Any], matches: Iterable[Mapping[str, t.Any]], ports: Sequence[int]) -> File:
    return File(server_config.render(HEADER, {**settings, "Port": list(ports)}, matches), 0o600)


def _reader(facts: Facts, future: Files) -> Callable[[str], str | None]:
    return lambda name: future[name].text if name in future else facts.read(name)


def _included(facts: Facts, future: Files, path: str) -> list[Line]:
    """All lines as sshd will read them; an Include of our own is added to the future if nothing includes our file."""

    names = sorted({*facts.files, *(name for name, file in future.items() if file.text is not None)})

    def expand(pattern: str) -> list[str]:
        return [name for name in names if name.count("/") == pattern.count("/") and fnmatch(name, pattern)]

    read = _reader(facts, future)
    found = list(server_config.walk(MAIN, read, expand))
    if not any(line.path == path and not line.in_match for line in found):
        main = facts.read(MAIN) or ""
        future[MAIN] = File(f"Include {posixpath.dirname(path)}/*.conf\n{main}", facts.mode(MAIN))
        found = list(server_config.walk(MAIN, read, expand))
    return found


def _refuse_addresses(lines: Iterable[Line], path: str) -> None:
    """An address with a port takes no notice of Port (sshd_config(5), ListenAddress)."""
    for line in lines:
        if line.keyword == "listenaddress" and line.path != path and server_config.has_port(line.value):
            raise RefusedError(
                f"found a port of its own in '{setting(line)}'; expected none, since sshd_port says where sshd listens",
                "Remove the port from that line, or the line. Nothing has been changed",
            )
        # A name is looked up by sshd each time it starts; neither systemd nor the kernel's limit can follow it.
        address = server_config.without_port(line.value).partition("%")[0]
        if line.keyword == "listenaddress" and parse_network(address) is None:
            raise RefusedError(
                f"found a name in '{setting(line)}'; expected an address of this host", "Write that. Nothing has been changed"
            )


def _addresses(lines: Iterable[Line]) -> list[str]:
    """Where systemd shall listen, if it does."""
    said = [line for line in lines if not line.in_match]
    found = [server_config.without_port(line.value) for line in said if line.keyword == "listenaddress"]
    family = next((line.value.lower() for line in said if line.keyword == "addressfamily"), "any")
    wanted = [address for address in dict.fromkeys(found) if parse_network(address) is not None] or ssh_port.ANY_ADDRESS
    return [address for address in wanted if family == "any" or (family == "inet6") == (":" in address)]


def _refuse_gaps(host: ssh_port.Ports, ports: Sequence[int], addresses: Collection[str]) -> None:
    """systemd keeps a port on the addresses that it is told. On others anybody could listen, and the firewall lets them in."""
    mine = ssh_port.kept_by_systemd_alone(host, ports)
    everywhere = ssh_port.ANY_ADDRESS[: 2 if host.ipv6 else 1]
    if mine and not set(everywhere) <= set(addresses):
        raise RefusedError(
            f"found port {mine[0]} on {' and '.join(addresses) or 'no address'} alone: any account of this host could take it on "
            f"the other addresses; expected a port from 1024 to {ssh_port.HIGHEST_COVERED}, which the kernel keeps on all of "
            "them, or no ListenAddress and no AddressFamily. Nothing has been changed"
        )


def _system_files(facts: Facts, phase: ssh_port.Phase, addresses: Sequence[str]) -> Files:
    """What systemd, the kernel and the firewall are told."""
    host = facts.ports
    if not host.ipv6:
        addresses = [address for address in addresses if ":" not in address]
    files: Files = {ssh_port.restart_file(host.service): File(ssh_port.RESTART.format(header=HEADER))}
    if phase.start is not None:
        needed = phase.start > ssh_port.foreign_start(host)
        files[ssh_port.SYSCTL] = File(ssh_port.sysctl_text(HEADER, phase.start) if needed else None)
    units = {ssh_port.socket_name(port): port for port in phase.ports}
    for name in facts.files:
        if posixpath.dirname(name) == ssh_port.UNITS and ssh_port.OWN_SOCKET.fullmatch(posixpath.basename(name)):
            files[name] = File(None)
    for name in phase.sockets:
        if name in units:
            text = ssh_port.socket_text(HEADER, units[name], host.service, addresses)
            files[f"{ssh_port.UNITS}/{name}"] = File(text)
    files.update((name, File(None)) for name in ssh_port.OLD_OVERRIDES if name in facts.files)
    files[ssh_port.WANTS] = File(ssh_port.wants_text(HEADER, phase.sockets) if phase.sockets else None)
    if host.generator:
        files[ssh_port.NO_GENERATOR] = File("")
    if facts.firewall:
        files[firewall_rules.SSH_PORTS] = File(firewall_rules.ssh_ports_file(phase.ports))
    return files


def _differs(facts: Facts, name: str, file: File, path: str) -> bool:
    if facts.read(name) != file.text:
        return True
    return name in (path, ssh_recovery.COMMAND) and facts.mode(name) != file.mode
