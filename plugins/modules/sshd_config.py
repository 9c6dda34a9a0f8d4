#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One drop-in for sshd, applied so that nobody is locked out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sshd_config
short_description: Apply a configuration of the SSH server that is undone unless a new login confirms it
version_added: 0.1.0
description:
  - Writes one drop-in file that wins over all other files (in C(sshd_config(5\)) the first value wins), and makes sure that
    it is included.
  - Lines of other files that would win over it, or add to it (such as C(Port) or C(HostKey)), become comments.
  - A line inside a C(Match) block of another file that says something else wins over it, too, for whom it matches, and somebody
    had a reason to write it. Then nothing is changed, and the message names the file and the line.
  - Algorithms are reduced to those that the host's OpenSSH has.
  - A change is staged first. The host listens on the new ports and on those it listened on before, and a timer on the host
    restores all files unless O(state=confirmed) comes in time. The confirmation has to come over a new SSH login, which
    proves that the new configuration lets the operator in. It closes the old ports.
  - Nothing is changed if the account that is logged in would be locked out, for want of an allowed group or an accepted key.
  - Nobody but root can take a port of sshd, not even in the moment in which sshd restarts. For ports below 3000 the kernel sees
    to that (C(net.ipv4.ip_unprivileged_port_start)). Higher ports, and those of a host on which that cannot be set or nothing but
    C(ssh.socket) starts sshd, are held by systemd in a socket unit for each port, C(research-server-sshd-PORT.socket); this takes
    an OpenSSH that can inherit sockets, as Debian's and Ubuntu's can. Who listens on a port already is named, and nothing is
    changed.
  - After each change it is proven that what listens is sshd, and that it has this host's key. C(ssh.service) comes back by itself
    whatever it ended with.
  - The sockets that systemd 256 and newer makes for sshd of its own accord (C(systemd-ssh-generator(8\))) are closed.
  - Where M(openlab.research_server.firewall) is in use, it lets in the new ports before sshd listens there, and the old ones
    until the new login.
author:
  - openlab.research_server maintainers (@openlab)
options:
  state:
    description:
      - V(applied) compares and, if something differs, stages the change.
      - V(confirmed) makes a staged change final.
      - V(undone) restores what was there before a staged change.
    type: str
    choices: [applied, confirmed, undone]
    default: applied
  settings:
    description:
      - Settings that hold for everyone, by their names in C(sshd_config(5\)). Lists are written as the keyword demands.
      - A value of V(null) leaves the keyword to the server's own default. C(Port) is required.
    type: dict
    default: {}
  since:
    description:
      - Settings for OpenSSH of a version and all later ones, in rising order. O(settings) goes over them.
    type: list
    elements: dict
    default: []
    suboptions:
      version:
        description: First version of OpenSSH that gets these settings, as V(major.minor).
        type: str
        required: true
      settings:
        description: As O(settings).
        type: dict
        required: true
  match:
    description: C(Match) blocks, in order.
    type: list
    elements: dict
    default: []
    suboptions:
      criteria:
        description: What follows the word C(Match).
        type: str
        required: true
      settings:
        description: As O(settings).
        type: dict
        required: true
  penalty_exempt:
    description:
      - Addresses and networks that C(PerSourcePenalties) never counts, where OpenSSH has it (9.8 and newer). The address of the
        SSH session that the module is started from is added, so that Ansible does not shut itself out.
      - Names of hosts are replaced by the addresses that the managed host finds for them, or left out.
    type: list
    elements: str
    default: []
  trusted_user_ca_keys:
    description:
      - Public keys whose certificates let people in (C(TrustedUserCAKeys)).
      - This option and the next three are kept in files below C(/etc/ssh/research-server), staged and undone with the rest.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  authorized_principals:
    description: Account to the list of names in certificates that may log in to it. Other accounts want their own name there.
    type: dict
    default: {}
    version_added: 0.2.0
  revoked_keys:
    description: Public keys that never let anybody in, nor do certificates for them or signed by them (C(RevokedKeys)).
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  host_certificates:
    description: Certificates of this host's own keys, each as the line of a C(-cert.pub) file (C(HostCertificate)).
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  people:
    description:
      - Accounts that must get in. Nothing is changed if C(AllowUsers), C(DenyUsers) or C(DenyGroups), in whatever file, would
        keep one of them out; those that do not exist yet are left out.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  client_algorithms:
    description:
      - What the ssh client that has to log in again can speak, by keyword of C(ssh_config(5\)). Read from the controller's own
        client. Nothing is changed if it has nothing in common with the settings.
    type: dict
    default: {}
    version_added: 0.2.0
  path:
    description: The drop-in file. Its name has to sort before all others.
    type: path
    default: /etc/ssh/sshd_config.d/00-research-server.conf
  rsa_bits:
    description: Bits of the RSA host key. One that is shorter, or missing, is made anew.
    type: int
    default: 4096
  undo_after:
    description: Seconds after which the host undoes a staged change that nobody has confirmed.
    type: int
    default: 120
attributes:
  check_mode:
    description: Tells what would change. A lock-out is a warning then, since earlier tasks may not have been applied.
    support: full
  diff_mode:
    description: Shows the drop-in and the lines of other files; neither keys nor moduli.
    support: full
requirements:
  - OpenSSH 8.5 or newer and systemd on the managed host; root.
"""

EXAMPLES = r"""
- name: Stage the configuration
  openlab.research_server.sshd_config:
    settings:
      Port: [2222]
      PasswordAuthentication: false
      AllowGroups: [ssh-users]
  register: sshd

- name: Log in anew
  ansible.builtin.meta: reset_connection

- name: Close the old way in
  openlab.research_server.sshd_config:
    state: confirmed
"""

RETURN = r"""
pending:
  description: Whether a change waits for its confirmation.
  returned: success
  type: bool
ports:
  description: The ports that sshd listens on when the change is final.
  returned: when O(state=applied)
  type: list
  elements: int
  sample: [2222]
displaced:
  description: Lines of other files that were, or would be, turned into comments.
  returned: when O(state=applied)
  type: list
  elements: str
  sample: ["/etc/ssh/sshd_config:14: Port 22"]
notices:
  description: What is not safe on this host and cannot be made so from inside. They are warnings of the task too.
  returned: when O(state=applied)
  type: list
  elements: str
session:
  description: The SSH session that the module was started from; empty without one.
  returned: when O(state=applied)
  type: dict
  sample: {user: ops, client_address: 192.0.2.7, server_port: 22}
"""

import contextlib
import functools
import grp
import os
import pwd
import socket
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._firewall import rules as firewall_rules
from ..module_utils._host import listening, people_files, rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import can_be_started, read_file
from ..module_utils._host.module import Module, guarded
from ..module_utils._host.networks import parse as parse_network
from ..module_utils._host.refused import RefusedError
from ..module_utils._host.session import Session, current_session
from ..module_utils._host.undo import STATE_ARGUMENTS, File, Files, Stages, Transaction, run_module
from ..module_utils._ssh import access as ssh_access
from ..module_utils._ssh import port as ssh_port
from ..module_utils._ssh import selinux, server_config
from ..module_utils._ssh import trust as ssh_trust
from ..module_utils._ssh.facts import read_facts
from ..module_utils._ssh.lockout import Account, obstacles
from ..module_utils._ssh.plan import Facts, Plan, Wishes, as_list, make_plan, place, setting
from ..module_utils._ssh.server import RUNTIME, Sshd, describe, runtime_directory

LISTEN_SECONDS = 10.0
TRUST = ("trusted_user_ca_keys", "authorized_principals", "revoked_keys", "host_certificates")
# Where the role firewall is in use.
OPEN_FIREWALL = (
    f"if [ -e {firewall_rules.SSH_PORTS} ] && nft list set {' '.join(firewall_rules.TABLE)} ssh_ports >/dev/null 2>&1; "
    f"then nft -f {firewall_rules.SSH_PORTS}; fi"
)


class Host(Sshd):
    """What the module asks the host, and what it tells sshd."""

    def commands(self, ports: ssh_port.Ports, phase: ssh_port.Phase) -> list[str]:
        return ssh_port.commands(ports, phase, sshd=self.sshd, runtime=RUNTIME, first=[OPEN_FIREWALL])

    def activate(self, commands: t.Iterable[str]) -> None:
        for command in commands:
            self.run("/bin/sh", "-ec", command)

    def account(self, uid: int, effective: t.Mapping[str, list[str]], plan: Plan) -> Account:
        entry = pwd.getpwuid(uid)
        files = []
        for pattern in " ".join(effective.get("authorizedkeysfile", [".ssh/authorized_keys"])).split():
            path = pattern.replace("%h", entry.pw_dir).replace("%u", entry.pw_name).replace("%%", "%")
            files.append(path if path.startswith("/") else f"{entry.pw_dir}/{path}")
        today = _keys_in(effective.get("trustedusercakeys"), read_file)
        later = _keys_in(plan.setting("TrustedUserCAKeys", effective.get("trustedusercakeys")), _reader(plan))
        return Account(
            name=entry.pw_name,
            uid=uid,
            groups=groups_of(entry),
            shell=entry.pw_shell,
            # An empty one is /bin/sh (passwd(5)).
            shell_missing=not can_be_started(entry.pw_shell or "/bin/sh"),
            expired=self._expired(entry.pw_name),
            key_files=tuple(files),
            keys=tuple(line for path in files for line in _keys_of(entry.pw_dir, path).splitlines()),
            revoked=_keys_in(plan.setting("RevokedKeys", effective.get("revokedkeys")), _reader(plan)),
            # Who is logged in by a certificate needs one of today's authorities tomorrow, too. Which, only a new login tells.
            keys_elsewhere=effective.get("authorizedkeyscommand", ["none"]) != ["none"] or bool(today & later),
            certificates_lost=bool(today and not today & later),
            now=time.time(),
        )

    @staticmethod
    def _expired(name: str) -> bool:
        """shadow(5): the eighth field is the day, counted from 1970, on which the account expires."""
        for line in (read_file("/etc/shadow") or "").splitlines():
            fields = line.split(":")
            if fields[0] == name and len(fields) > 7 and fields[7]:
                return int(fields[7]) <= time.time() // 86400
        return False


def groups_of(entry: pwd.struct_passwd) -> frozenset[str]:
    found = set()
    for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
        with contextlib.suppress(KeyError):
            found.add(grp.getgrgid(gid).gr_name)
    return frozenset(found)


def wishes(params: dict[str, t.Any]) -> Wishes:
    return Wishes(
        settings=params["settings"],
        since=params["since"],
        match=params["match"],
        trust=ssh_trust.Trust(*(params[name] for name in TRUST)),
        penalty_exempt=addresses(params["penalty_exempt"]),
        path=params["path"],
        rsa_bits=params["rsa_bits"],
    )


def check_lockout(host: Host, plan: Plan, session: Session | None) -> list[str]:
    """Why the operator could not come back; empty if he can."""
    later = {keyword.lower(): [str(word) for word in as_list(value)] for keyword, value in plan.settings.items()}
    effective = server_config.group_listing(host.effective())
    effective.update((keyword, later[keyword]) for keyword in ("authorizedkeysfile", "authorizedkeyscommand") if keyword in later)
    if session is not None:
        account = host.account(session.uid, effective, plan)
        return [
            f"'{account.name}', who is logged in, could not log in again: {reason}"
            for reason in obstacles(account, plan.allow_groups, root_login=plan.root_login)
        ]
    # Not over SSH (console, container): then at least somebody has to be able to come in over it.
    refused = []
    for entry in pwd.getpwall():
        if 0 < entry.pw_uid < 1000 or entry.pw_name == "nobody":
            continue
        reasons = obstacles(host.account(entry.pw_uid, effective, plan), plan.allow_groups, root_login=plan.root_login)
        if not reasons:
            return []
        refused.append(f"'{entry.pw_name}': {reasons[0]}")
    return [f"no account could log in over SSH: {'; '.join(refused)}"]


def left_outside(host: Host, plan: Plan, people: t.Iterable[str]) -> list[str]:
    """Lines of other files, or settings, that keep people of the data out, with their names; nothing is changed then."""
    # AllowGroups is the inventory's own word, and a line of another file becomes a comment.
    planned = {keyword: plan.setting(keyword) for keyword in ssh_access.KEYWORDS if plan.setting(keyword) is not None}
    if not plan.access and not set(planned) - {"allowgroups"}:
        return []
    shut_out: dict[str, list[str]] = {}
    for entry in accounts(people):
        listing = server_config.group_listing(host.effective(user=entry.pw_name, port=plan.ports[0]))
        for keyword, value in planned.items():
            lines = [line.value for line in plan.access if line.keyword == keyword and not line.in_match]
            listing[keyword] = ssh_access.words([*as_list(value), *lines])
        for keyword in ssh_access.obstacles(entry.pw_name, groups_of(entry), listing):
            shut_out.setdefault(keyword, []).append(entry.pw_name)
    shut_out.pop("allowgroups", None)
    return [_shut_out(plan, keyword, names) for keyword, names in sorted(shut_out.items())]


def _shut_out(plan: Plan, keyword: str, names: list[str]) -> str:
    where = [f"'{setting(line)}'" for line in plan.access if line.keyword == keyword]
    return (
        f"found {' and '.join(where) or f'{keyword} in the settings'}, which keeps out {', '.join(names)}; expected everybody "
        "who has an account by the inventory to get in. Remove the line, or give their entry 'state: absent'"
    )


def _keys_of(home: str, path: str) -> str:
    """The text of a file of keys. One at home is read as sshd would, and as whatever else its owner has put there is not."""
    inside = os.path.relpath(path, home)
    if inside.startswith("../"):
        return read_file(path) or ""
    return people_files.read(home, inside.split("/")).text or ""


def accounts(names: t.Iterable[str]) -> t.Iterator[pwd.struct_passwd]:
    """Those that exist already."""
    for name in names:
        with contextlib.suppress(KeyError):
            yield pwd.getpwnam(name)


def make_host_keys(host: Host, names: t.Iterable[str], rsa_bits: int) -> Files:
    made: Files = {}
    for name in names:
        kind = "rsa" if "_rsa_" in os.path.basename(name) else "ed25519"
        size = ["-b", str(rsa_bits)] if kind == "rsa" else []
        with tempfile.TemporaryDirectory() as folder:
            host.run("ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "", "-f", f"{folder}/key")
            made[name] = File(read_file(f"{folder}/key") or "", 0o600, shown=False)
            made[f"{name}.pub"] = File(read_file(f"{folder}/key.pub") or "", 0o644, shown=False)
    return made


def verify(host: Host, plan: Plan, params: dict[str, t.Any], session: Session | None) -> None:
    """The whole configuration must mean what our file says, for everybody."""
    path = params["path"]
    with runtime_directory():
        host.run(host.sshd, "-t")
    ours = host.effective("-f", path, port=plan.ports[0])
    wrong = server_config.differences(ours, host.effective(port=plan.ports[0]), plan.managed)
    if wrong:
        keyword, (expected, found) = next(iter(wrong.items()))
        raise RefusedError(
            f"{keyword}: found {found} in effect, expected {expected} from {path}; another file or option wins (see 'sshd -T')"
        )
    check_matches(host, plan, path, session)
    for entry in accounts(params["people"]):
        listing = server_config.group_listing(host.effective(user=entry.pw_name, port=plan.ports[0]))
        for keyword in ssh_access.obstacles(entry.pw_name, groups_of(entry), listing):
            if keyword != "allowgroups":
                raise RefusedError(_shut_out(plan, keyword, [entry.pw_name]))
    if session is not None:
        # With all Match blocks: a login that only gets another program than its shell is of no use to Ansible.
        name = pwd.getpwuid(session.uid).pw_name
        listing = server_config.group_listing(host.effective(user=name, address=session.client_address, port=plan.ports[0]))
        for keyword in ssh_access.obstacles(name, groups_of(pwd.getpwuid(session.uid)), listing):
            raise RefusedError(f"'{name}', who is logged in, would be kept out by {keyword} ({', '.join(listing[keyword])})")
        command = " ".join(listing.get("forcecommand", ["none"]))
        if command != "none":
            raise RefusedError(
                f"'{name}', who is logged in, would get '{command}' instead of a shell; expected a shell (on a bastion: name the "
                "account in sshd_shell_accounts)"
            )


def check_matches(host: Host, plan: Plan, path: str, session: Session | None) -> None:
    """The same for each kind of user, with all Match blocks."""
    address = session.client_address if session else "127.0.0.1"
    logged_in = {pwd.getpwuid(session.uid).pw_name} if session else set()
    everybody = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid >= 1000 and entry.pw_shell.endswith("sh")}
    for user in sorted({"root"} | logged_in | (everybody if plan.conditional else set())):
        effective = functools.partial(host.effective, user=user, address=address, port=plan.ports[0])
        wrong = server_config.differences(effective("-f", path), effective(), plan.managed)
        if wrong:
            keyword, (expected, found) = next(iter(wrong.items()))
            winner = next(
                (place(line) for line in plan.conditional if line.keyword == keyword), "another file or option (see 'sshd -T')"
            )
            raise RefusedError(f"{keyword}: found {found} in effect for '{user}', expected {expected} from {path}; {winner} wins")


def label_ports(host: Host, ports: t.Iterable[int]) -> None:
    """Where SELinux enforces, sshd may only listen on ports with its label."""
    if (read_file(selinux.ENFORCE) or "").strip() != "1":
        return
    if host.attempt("semanage", "--help")[0] != 0:
        raise RefusedError(
            "found SELinux enforcing and no semanage; expected it, to let sshd listen on another port",
            "Install policycoreutils-python-utils. Nothing has been changed",
        )
    for command in selinux.label_commands(ports, host.run(*selinux.LIST)):
        host.run(*command)


def refuse_intruders(host: Host, ports: t.Collection[int]) -> None:
    """Whoever listens there already keeps the port, whatever the kernel's limit says now."""
    found = ssh_port.intruders(*host.listening(ports), ports)
    if found:
        port = found[0].rpartition(":")[2]
        raise RefusedError(
            f"port {port} is taken by another program: found {'; '.join(found)}; expected sshd or nobody",
            "End that program, or choose another port for sshd. Nothing has been changed",
        )


def prove(host: Host, ports: t.Collection[int]) -> None:
    """Return once sshd listens on these ports, nobody else does, and what answers there has this host's key."""
    deadline = time.monotonic() + LISTEN_SECONDS
    while problem := _absent(host, ports):
        if time.monotonic() > deadline:
            raise RefusedError(f"{problem} {LISTEN_SECONDS:g} s after the change; see 'journalctl -u {host.service}'")
        time.sleep(0.05)
    own = {tuple(text.split()[:2]) for path in _own_keys(host) if (text := read_file(f"{path}.pub"))}
    loopback6 = listening.has_loopback6()
    held = ssh_port.held(*host.listening(ports))
    for shown, port in sorted({(ssh_port.answers_at(address, loopback6=loopback6), port) for address, port in held}):
        _rc, out, _err = host.attempt("ssh-keyscan", "-T", "5", "-t", "ed25519,rsa", "-p", str(port), shown)
        keys = {tuple(line.split()[1:3]) for line in out.splitlines() if line and not line.startswith("#")}
        if not keys or not keys <= own:
            raise RefusedError(
                f"{shown} port {port}: found {'another host key' if keys else 'no SSH server'}; expected this host's key"
            )


def _absent(host: Host, ports: t.Collection[int]) -> str:
    """Where sshd does not listen, or somebody else does; empty if all is well."""
    facts = host.ports_facts()
    listeners, holders = host.listening(ports)
    others = ssh_port.intruders(listeners, holders, ports)
    if others:
        return f"found {'; '.join(others)}, where sshd should listen,"
    unheard = [f"port {port}" for port in sorted(set(ports) - set(facts.told))]
    unheard += ssh_port.silent((spot for spot in facts.addresses if spot[1] in ports), listeners, holders, ipv6=facts.ipv6)
    return f"sshd does not listen on {unheard[0]}" if unheard else ""


def _own_keys(host: Host) -> list[str]:
    return server_config.group_listing(host.effective()).get("hostkey", [])


def differing(facts: Facts, plan: Plan, asleep: t.Sequence[str]) -> list[Difference]:
    """For Ansible's diff: files, and what is not as the files say."""
    found = [difference(path, read_file(path), file.text) for path, file in sorted(plan.final.items()) if file.shown]
    # Long ones, and secrets: that they differ, and how much.
    hidden = {path: file.text for path, file in sorted(plan.final.items()) if not file.shown}
    states: list[tuple[str, str, str]] = [(path, _lines(facts.read(path)), _lines(text)) for path, text in hidden.items()]
    states += [(path, "no strong key\n", "a strong key\n") for path in plan.missing_keys]
    if plan.start:
        states.append((ssh_port.START_KEY, f"{plan.start[0]}\n", f"{plan.start[1]}\n"))
    if asleep:
        states.append(("sshd", f"silent on {', '.join(asleep)}\n", "listening\n"))
    states += [(name, "listening\n", "") for name in facts.ports.generated]
    states += [(path, "changed since sshd has read it\n", "read by the sshd that runs\n") for path in facts.unread]
    return found + [difference(*state) for state in states]


def _lines(text: str | None) -> str:
    return "" if text is None else f"{len(text.splitlines())} lines\n"


def notices(facts: Facts, plan: Plan) -> list[str]:
    """What people have to know although nothing can be done about it here."""
    told = [
        f"port {port} is not safe from the accounts of this host: {ssh_port.START_KEY} is {facts.ports.start} and cannot "
        f"be set here. Set it to {port + 1} for the container from outside, or choose a port below {facts.ports.start}"
        for port in ssh_port.unprotected(facts.ports, plan.ports)
    ]
    needed = plan.phases[1].start or 0
    return told + [
        f"{where} sets {ssh_port.START_KEY} to {value}, which {ssh_port.SYSCTL} raises to {needed}: programs that need a "
        "port below have to get CAP_NET_BIND_SERVICE (AmbientCapabilities in systemd.exec(5))"
        for where, value in facts.ports.other_starts.items()
        if value < min(needed, ssh_port.DEFAULT_START)
    ]


def rights_of(facts: Facts, plan: Plan) -> dict[str, int | rights.Rights]:
    """Of all files that sshd reads. Where the mode is as it shall be, it counts that nobody else can change the file."""
    wanted: dict[str, int | rights.Rights] = {path: rights.Rights() for path in facts.files}
    for path, file in plan.files.items():
        if file.text is not None and file.mode != facts.mode(path):
            wanted[path] = file.mode
    keys = [str(path) for path in as_list(plan.setting("HostKey"))]
    return {**wanted, **dict.fromkeys(keys, rights.PRIVATE), **{f"{path}.pub": rights.Rights() for path in keys}}


def refuse_unspoken(plan: Plan, client: t.Mapping[str, t.Sequence[str]]) -> None:
    """The client that has to log in again could not."""
    unspoken = server_config.not_spoken(plan.settings, client)
    if unspoken:
        raise RefusedError(
            "; ".join(unspoken),
            "Update OpenSSH on the controller, or change sshd_settings or sshd_older_clients. Nothing has been changed",
        )


def check_others(host: Host, plan: Plan, params: dict[str, t.Any], session: Session | None) -> None:
    """What stands in the way on this host, and what only people can take away."""
    if plan.overridden:
        raise RefusedError(
            f"found in Match blocks of other files what wins over {params['path']} for whom they match: "
            f"{'; '.join(map(setting, plan.overridden))}",
            "Remove it, or state it in sshd_match. Nothing has been changed",
        )
    refuse_intruders(host, plan.phases[0].ports)
    shut_out = left_outside(host, plan, params["people"])
    if shut_out:
        raise RefusedError(f"{'; '.join(shut_out)}. Nothing has been changed")
    if plan.conditional and not plan.final:
        check_matches(host, plan, params["path"], session)


def apply(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    params = module.params
    session = current_session()
    interrupted = transaction.pending
    if interrupted and not module.check_mode:
        # Left behind by a run that ended half-way. Start again from what was there before it.
        transaction.undo()
    facts = read_facts(host, params)
    plan = make_plan(facts, wishes(params), session)
    staged, final, back = plan.phases
    listeners, holders = host.listening(staged.ports)
    asleep = ssh_port.silent(facts.ports.addresses, listeners, holders, ipv6=facts.ports.ipv6)
    differs = any((plan.final, plan.missing_keys, asleep, interrupted, plan.start, facts.ports.generated, facts.unread))
    wrong = rights.faults(rights_of(facts, plan))
    told = notices(facts, plan)
    for sentence in told:
        module.warn(sentence)
    result: dict[str, t.Any] = {
        "changed": differs or bool(wrong),
        "pending": False,
        "ports": list(plan.ports),
        "displaced": [setting(line) for line in plan.displaced],
        "notices": told,
        "session": describe(session),
        "diff": differing(facts, plan, asleep) + rights.differences(wrong),
    }
    try:
        check_others(host, plan, params, session)
    except RefusedError as error:
        # What is different is told all the same.
        module.fail_json(msg=f"sshd: {error}", **result)
    if wrong and not module.check_mode:
        rights.mend(wrong)
    if not differs:
        return result
    refuse_unspoken(plan, params["client_algorithms"])
    locked_out = check_lockout(host, plan, session)
    if locked_out and not module.check_mode:
        raise RefusedError("; ".join(locked_out) + ". Nothing has been changed.")
    for problem in locked_out:
        module.warn(f"As the host is now, this change would be refused: {problem}")
    if module.check_mode:
        return result
    label_ports(host, plan.ports)
    keys = make_host_keys(host, plan.missing_keys, params["rsa_bits"])
    cover(host, facts.ports, staged)
    transaction.stage(
        {**plan.staged, **keys},
        {**plan.settled, **keys},
        {"ports": list(plan.ports), "commands": host.commands(facts.ports, final)},
        back=host.commands(facts.ports, back),
        undo_after=params["undo_after"],
    )
    try:
        verify(host, plan, params, session)
        host.activate(host.commands(facts.ports, staged))
        prove(host, staged.ports)
    except RefusedError as error:
        transaction.undo()
        raise RefusedError(str(error), restored(host, back.ports)) from error
    return {**result, "pending": True}


def cover(host: Host, ports: ssh_port.Ports, phase: ssh_port.Phase) -> None:
    """From here on nobody can take a port; whoever was faster is refused."""
    if phase.start is None:
        return
    host.activate([f"echo {max(ssh_port.covered(phase.ports), phase.start)} > {ssh_port.START}"])
    try:
        refuse_intruders(host, phase.ports)
    except RefusedError:
        host.activate([f"echo {ports.start} > {ssh_port.START}"])
        raise


def restored(host: Host, ports: t.Collection[int]) -> str:
    """What became of sshd when a change was undone."""
    try:
        prove(host, ports)
    except RefusedError as error:
        return f"The previous files have been restored, but {error}. Do not close this session before that is mended"
    return "The previous configuration has been restored"


def confirm(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    note = transaction.note()
    session = current_session()
    if session is not None and session.server_port not in note["ports"]:
        raise RefusedError(
            f"this login came over port {session.server_port}; expected one over the new port {note['ports'][0]}, which it has "
            "to prove"
        )
    if module.check_mode:
        return {"changed": True, "pending": True}
    transaction.confirm(lambda: host.activate(note["commands"]))
    prove(host, note["ports"])
    return {"changed": True, "pending": False}


def undo(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    """Undo at once what waits for its confirmation."""
    pending = transaction.pending
    if pending and not module.check_mode:
        transaction.undo()
        prove(host, host.ports())
    return {"changed": pending, "pending": pending and module.check_mode}


def addresses(names: t.Iterable[str]) -> list[str]:
    """Addresses and networks, as sshd wants them; names as this host knows them, in a fixed order."""
    found = []
    for name in names:
        if parse_network(name) is not None:
            found.append(name)
            continue
        with contextlib.suppress(OSError):
            found += sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None)})
    return list(dict.fromkeys(found))


def _reader(plan: Plan) -> t.Callable[[str], str | None]:
    """Reads a file as it will be."""
    return lambda path: plan.files[path].text if path in plan.files else read_file(path)


def _keys_in(value: t.Any, read: t.Callable[[str], str | None]) -> frozenset[bytes]:
    """The public keys in the files that a setting names."""
    paths = " ".join(map(str, as_list(value))).split()
    return ssh_trust.blobs(line for path in paths if path.startswith("/") for line in (read(path) or "").splitlines())


@guarded
def main() -> None:
    block = {"type": "list", "elements": "dict", "default": []}
    module = Module(
        argument_spec={
            **STATE_ARGUMENTS,
            "settings": {"type": "dict", "default": {}},
            "since": {
                **block,
                "options": {"version": {"type": "str", "required": True}, "settings": {"type": "dict", "required": True}},
            },
            "match": {
                **block,
                "options": {"criteria": {"type": "str", "required": True}, "settings": {"type": "dict", "required": True}},
            },
            "penalty_exempt": {"type": "list", "elements": "str", "default": []},
            **{name: {"type": "list", "elements": "str", "default": [], "no_log": False} for name in TRUST},
            "authorized_principals": {"type": "dict", "default": {}},
            "people": {"type": "list", "elements": "str", "default": []},
            "client_algorithms": {"type": "dict", "default": {}},
            "path": {"type": "path", "default": "/etc/ssh/sshd_config.d/00-research-server.conf"},
            "rsa_bits": {"type": "int", "default": 4096},
        },
        supports_check_mode=True,
    )
    run_module(module, "sshd", Host, Stages(apply, confirm, undo))


if __name__ == "__main__":
    main()
