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
  - Where systemd listens for sshd (C(ssh.socket)), its ports are set too. Where M(openlab.research_server.firewall) is in use, it
    lets in the new ports before sshd listens there, and the old ones until the new login.
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
  moduli_minimum:
    description:
      - Diffie-Hellman groups in C(/etc/ssh/moduli) that are smaller are removed. Bits as counted in C(moduli(5\)), which is
        one less than the length of the prime.
    type: int
    default: 3071
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
session:
  description: The SSH session that the module was started from; empty without one.
  returned: when O(state=applied)
  type: dict
  sample: {user: ops, client_address: 192.0.2.7, server_port: 22}
"""

import contextlib
import glob
import grp
import os
import pwd
import socket
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _firewall, _selinux, _sshd_config, _sshd_trust
from ..module_utils._lockout import Account, obstacles
from ..module_utils._networks import parse as parse_network
from ..module_utils._networks import with_address
from ..module_utils._runner import RefusedError
from ..module_utils._session import Session
from ..module_utils._ssh_keys import KeyFormatError, parse
from ..module_utils._sshd_host import MAIN, RUNTIME, Sshd, current_session, describe, expand, read_file, runtime_directory
from ..module_utils._undo import STATE_ARGUMENTS, File, Files, Stages, Transaction, difference, run_module

HEADER = "Managed by Ansible, role openlab.research_server.sshd. The next run undoes what is changed here."
PENALTIES_SINCE = (9, 8)
MODULI = "/etc/ssh/moduli"
LISTEN_SECONDS = 10.0
TRUST = ("trusted_user_ca_keys", "authorized_principals", "revoked_keys", "host_certificates")
# Where the role firewall is in use.
OPEN_FIREWALL = (
    f"if [ -e {_firewall.SSH_PORTS} ] && nft list set {' '.join(_firewall.TABLE)} ssh_ports >/dev/null 2>&1; "
    f"then nft -f {_firewall.SSH_PORTS}; fi"
)


class Host(Sshd):
    """The questions that the module asks the host; none of them changes anything."""

    def __init__(self, module: AnsibleModule) -> None:
        super().__init__(module)
        self.answers: dict[str, list[str]] = {}

    def version(self) -> tuple[int, int]:
        # Before 9.2 `sshd -V` is an error that prints the version all the same.
        _unused, out, err = self.attempt(self.sshd, "-V")
        return _sshd_config.parse_version(out + err)

    def supported(self, query: str) -> list[str]:
        if query not in self.answers:
            self.answers[query] = self.run("ssh", "-Q", query).split()
        return self.answers[query]

    def listening(self) -> frozenset[int]:
        return _sshd_config.listening_ports(*(read_file(f"/proc/net/{table}") or "" for table in ("tcp", "tcp6")))

    def activation(self) -> list[str]:
        """How sshd takes up its files. Open sessions go on in all cases (ssh.service has KillMode=process)."""
        check = f"mkdir -p {RUNTIME} && {self.sshd} -t"
        if self.socket:
            restart = ["systemctl daemon-reload", f"systemctl stop {self.service}", f"systemctl restart {self.socket}"]
            return [OPEN_FIREWALL, check, *restart]
        return [OPEN_FIREWALL, f"{check} && systemctl reload-or-restart {self.service}"]

    def activate(self) -> None:
        for command in self.activation():
            self.run("/bin/sh", "-ec", command)

    def account(self, uid: int, effective: t.Mapping[str, list[str]], plan: Plan) -> Account:
        entry = pwd.getpwuid(uid)
        groups = {grp.getgrgid(gid).gr_name for gid in os.getgrouplist(entry.pw_name, entry.pw_gid)}
        files = []
        for pattern in " ".join(effective.get("authorizedkeysfile", [".ssh/authorized_keys"])).split():
            path = pattern.replace("%h", entry.pw_dir).replace("%u", entry.pw_name).replace("%%", "%")
            files.append(path if path.startswith("/") else f"{entry.pw_dir}/{path}")
        today = _keys_in(effective.get("trustedusercakeys"), read_file)
        later = _keys_in(plan.settings.get("TrustedUserCAKeys", effective.get("trustedusercakeys")), plan.read)
        return Account(
            name=entry.pw_name,
            uid=uid,
            groups=frozenset(groups),
            shell=entry.pw_shell,
            expired=self._expired(entry.pw_name),
            key_files=tuple(files),
            keys=tuple(line for path in files for line in (read_file(path) or "").splitlines()),
            revoked=_keys_in(plan.settings.get("RevokedKeys", effective.get("revokedkeys")), plan.read),
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


class Plan(t.NamedTuple):
    """What is to be done."""

    final: Files
    staged: Files
    ports: list[int]
    displaced: list[str]
    overridden: list[str]
    """Lines in Match blocks of other files that nothing of ours wins over."""
    conditional: list[_sshd_config.Line]
    """Such lines that our own Match blocks win over, for whom they match."""
    managed: list[str]
    allow_groups: list[str]
    root_login: bool
    missing_keys: list[str]
    settings: dict[str, t.Any]
    read: t.Callable[[str], str | None]
    """Reads a file as it will be."""


def trusted(params: dict[str, t.Any]) -> tuple[_sshd_trust.Trust, dict[str, t.Any]]:
    """What certificates are about, and those of this host by its keys."""
    trust = _sshd_trust.Trust(*(params[name] for name in TRUST))
    for problem in _sshd_trust.problems(trust):
        raise RefusedError(problem)
    names = [str(name) for name in _as_list(params["settings"].get("HostKey"))]
    host_keys = {name: read_file(f"{name}.pub") or "" for name in names if not _weak_host_key(name, params["rsa_bits"])}
    try:
        certificates = _sshd_trust.host_certificates(trust, host_keys)
    except KeyFormatError as error:
        raise RefusedError(str(error)) from error
    return trust, certificates


def make_plan(host: Host, params: dict[str, t.Any], session: Session | None) -> Plan:
    path = params["path"]
    known = addresses(params["penalty_exempt"]) if host.version() >= PENALTIES_SINCE else []
    exempt = with_address(known, session.client_address if session else None)
    since = [*params["since"], {"version": "{}.{}".format(*PENALTIES_SINCE), "settings": {"PerSourcePenaltyExemptList": exempt}}]
    trust, certificates = trusted(params)
    wanted = {**_sshd_trust.settings(trust, certificates), **params["settings"]}
    settings = _sshd_config.settings_for(host.version(), wanted, since, host.supported)
    ports = [int(port) for port in _as_list(settings.get("Port"))]
    if not ports:
        raise RefusedError("found no Port in the settings; expected at least one")

    matches = [*params["match"], *_sshd_trust.matches(trust)]

    def text_for(listen: list[int]) -> str:
        return _sshd_config.render(HEADER, {**settings, "Port": listen}, matches)

    # The files as they will be: our own in its place, and included.
    future: Files = {path: File(text_for(ports), 0o600)}
    future.update((name, File(None)) for name in glob.glob(f"{_sshd_trust.FOLDER}/*") if os.path.isfile(name))
    future.update((name, File(text)) for name, text in _sshd_trust.files(trust, HEADER, certificates).items())

    def read(name: str) -> str | None:
        return future[name].text if name in future else read_file(name)

    main = read_file(MAIN) or ""
    lines = list(_sshd_config.walk(MAIN, read, lambda pattern: expand(pattern, path)))
    if not any(line.path == path and not line.in_match for line in lines):
        future[MAIN] = File(f"Include {os.path.dirname(path)}/*.conf\n{main}", _mode(MAIN))
        lines = list(_sshd_config.walk(MAIN, read, lambda pattern: expand(pattern, path)))

    general, conditional = _sshd_config.rivals(lines, path, settings)
    conditional = [line for line in conditional if _sshd_config.says_otherwise(line, settings)]
    # Among Match blocks the first counts, and ours come first.
    own = {keyword.lower() for match in matches for keyword in match["settings"]}
    for name in sorted({line.path for line in general}):
        numbers = [line.number for line in general if line.path == name]
        future[name] = File(_sshd_config.comment_out(read(name) or "", numbers, f"Set in {path}"), _mode(name))

    moduli = read_file(MODULI)
    if moduli is not None:
        future[MODULI] = File(_sshd_config.strong_moduli(moduli, params["moduli_minimum"]), _mode(MODULI), shown=False)

    # The old way stays open until the new one has been used: listen where sshd listens now as well.
    before = host.ports()
    both = list(dict.fromkeys([*ports, *before]))
    override = f"/etc/systemd/system/{host.socket}.d/zz-research-server.conf"
    if host.socket:
        future[override] = File(_sshd_config.socket_override(ports))
    elif ports_taken := sorted((set(ports) - set(before)) & host.listening()):
        raise RefusedError(
            f"port {ports_taken[0]} is taken by another program; see 'ss -ltnp'. Choose another port for sshd, or stop it"
        )

    if os.path.exists(_firewall.SSH_PORTS):
        future[_firewall.SSH_PORTS] = File(_firewall.ssh_ports_file(ports))

    final = {
        name: file for name, file in future.items() if read_file(name) != file.text or (name == path and _mode(name) != file.mode)
    }
    # What the configuration in use still names goes last, when the change is final.
    staged = {name: file for name, file in final.items() if file.text is not None}
    if path in final:
        staged[path] = File(text_for(both), 0o600)
    if _firewall.SSH_PORTS in final:
        staged[_firewall.SSH_PORTS] = File(_firewall.ssh_ports_file(both))
    if override in final:
        staged[override] = File(_sshd_config.socket_override(both))
    return Plan(
        final=final,
        staged=staged,
        ports=ports,
        displaced=[f"{_place(line)}: {_setting(line)}" for line in general],
        overridden=[f"{_place(line)}: {_setting(line)}" for line in conditional if line.keyword not in own],
        conditional=[line for line in conditional if line.keyword in own],
        managed=sorted(settings),
        allow_groups=[str(group) for group in _as_list(settings.get("AllowGroups"))],
        root_login=str(settings.get("PermitRootLogin", "no")) not in ("no", "False"),
        missing_keys=[str(name) for name in _as_list(settings.get("HostKey")) if _weak_host_key(str(name), params["rsa_bits"])],
        settings=settings,
        read=read,
    )


def check_lockout(host: Host, plan: Plan, session: Session | None) -> list[str]:
    """Why the operator could not come back; empty if he can."""
    later = {keyword.lower(): [str(word) for word in _as_list(value)] for keyword, value in plan.settings.items()}
    effective = _sshd_config.group_listing(host.effective())
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


def make_host_keys(host: Host, names: list[str], rsa_bits: int) -> Files:
    made: Files = {}
    for name in names:
        kind = "rsa" if "_rsa_" in os.path.basename(name) else "ed25519"
        size = ["-b", str(rsa_bits)] if kind == "rsa" else []
        with tempfile.TemporaryDirectory() as folder:
            host.run("ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "", "-f", f"{folder}/key")
            made[name] = File(read_file(f"{folder}/key") or "", 0o600, shown=False)
            made[f"{name}.pub"] = File(read_file(f"{folder}/key.pub") or "", 0o644, shown=False)
    return made


def verify(host: Host, plan: Plan, path: str, session: Session | None) -> None:
    """The whole configuration must mean what our file says."""
    with runtime_directory():
        host.run(host.sshd, "-t")
    ours = host.effective("-f", path)
    wrong = _sshd_config.differences(ours, host.effective(), plan.managed)
    if wrong:
        keyword, (expected, found) = next(iter(wrong.items()))
        raise RefusedError(
            f"{keyword}: found {found} in effect, expected {expected} from {path}; another file or option wins (see 'sshd -T')"
        )
    check_people(host, plan, path, session)
    if session is not None:
        # With all Match blocks: a login that only gets another program than its shell is of no use to Ansible.
        name = pwd.getpwuid(session.uid).pw_name
        listing = host.effective("-C", f"user={name},host={session.client_address},addr={session.client_address}")
        command = " ".join(_sshd_config.group_listing(listing).get("forcecommand", ["none"]))
        if command != "none":
            raise RefusedError(
                f"'{name}', who is logged in, would get '{command}' instead of a shell; expected a shell (on a bastion: name the "
                "account in sshd_shell_accounts)"
            )


def check_people(host: Host, plan: Plan, path: str, session: Session | None) -> None:
    """The same for each kind of user, with all Match blocks."""
    address = session.client_address if session else "127.0.0.1"
    logged_in = {pwd.getpwuid(session.uid).pw_name} if session else set()
    everybody = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid >= 1000 and entry.pw_shell.endswith("sh")}
    for user in sorted({"root"} | logged_in | (everybody if plan.conditional else set())):
        context = ("-C", f"user={user},host={address},addr={address}")
        wrong = _sshd_config.differences(host.effective("-f", path, *context), host.effective(*context), plan.managed)
        if wrong:
            keyword, (expected, found) = next(iter(wrong.items()))
            winner = next(
                (_place(line) for line in plan.conditional if line.keyword == keyword), "another file or option (see 'sshd -T')"
            )
            raise RefusedError(f"{keyword}: found {found} in effect for '{user}', expected {expected} from {path}; {winner} wins")


def label_ports(host: Host, ports: list[int]) -> None:
    """Where SELinux enforces, sshd may only listen on ports with its label."""
    if (read_file(_selinux.ENFORCE) or "").strip() != "1":
        return
    if host.attempt("semanage", "--help")[0] != 0:
        raise RefusedError(
            "found SELinux enforcing and no semanage; expected it, to let sshd listen on another port. "
            "Install policycoreutils-python-utils. Nothing has been changed"
        )
    for command in _selinux.label_commands(ports, host.run(*_selinux.LIST)):
        host.run(*command)


def wait_for_ports(host: Host, ports: list[int]) -> None:
    deadline = time.monotonic() + LISTEN_SECONDS
    while not set(ports) <= host.listening():
        if time.monotonic() > deadline:
            missing = sorted(set(ports) - host.listening())
            raise RefusedError(
                f"sshd does not listen on port {missing[0]} {LISTEN_SECONDS:g} s after reload; see 'journalctl -u {host.service}'"
            )
        time.sleep(0.05)


def apply(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    params = module.params
    session = current_session()
    interrupted = transaction.pending
    if interrupted and not module.check_mode:
        # Left behind by a run that ended half-way. Start again from what was there before it.
        transaction.undo()
    plan = make_plan(host, params, session)
    asleep = bool(set(plan.ports) - host.listening())
    changed = bool(plan.final or plan.missing_keys or asleep or interrupted)
    result: dict[str, t.Any] = {
        "changed": changed,
        "pending": False,
        "ports": plan.ports,
        "displaced": plan.displaced,
        "session": describe(session),
        "diff": [difference(path, file) for path, file in sorted(plan.final.items()) if file.shown],
    }
    if plan.overridden:
        raise RefusedError(
            f"found in Match blocks of other files what wins over {params['path']} for whom they match: "
            f"{'; '.join(plan.overridden)}. Remove it, or state it in sshd_match. Nothing has been changed"
        )
    if plan.conditional and not plan.final:
        check_people(host, plan, params["path"], session)
    if not changed:
        return result
    unspoken = _sshd_config.not_spoken(plan.settings, params["client_algorithms"])
    if unspoken:
        raise RefusedError(
            f"{'; '.join(unspoken)}. Update OpenSSH on the controller, or change sshd_settings or sshd_older_clients. "
            "Nothing has been changed"
        )
    locked_out = check_lockout(host, plan, session)
    if locked_out and not module.check_mode:
        raise RefusedError("; ".join(locked_out) + ". Nothing has been changed.")
    for problem in locked_out:
        module.warn(f"As the host is now, this change would be refused: {problem}")
    if module.check_mode:
        return result
    label_ports(host, plan.ports)
    keys = make_host_keys(host, plan.missing_keys, params["rsa_bits"])
    transaction.stage(
        {**plan.staged, **keys},
        {**plan.final, **keys},
        plan.ports,
        back=host.activation(),
        undo_after=params["undo_after"],
    )
    try:
        verify(host, plan, params["path"], session)
        host.activate()
        wait_for_ports(host, plan.ports)
    except RefusedError as error:
        transaction.undo()
        raise RefusedError(f"{error}. The previous configuration has been restored.") from error
    return {**result, "pending": True}


def confirm(module: AnsibleModule, host: Host, transaction: Transaction) -> dict[str, t.Any]:
    ports = transaction.note()
    session = current_session()
    if session is not None and session.server_port not in ports:
        raise RefusedError(
            f"this login came over port {session.server_port}; expected one over the new port {ports[0]}, which it has to prove"
        )
    if module.check_mode:
        return {"changed": True, "pending": True}
    transaction.confirm(host.activate)
    wait_for_ports(host, ports)
    return {"changed": True, "pending": False}


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


def _keys_in(value: t.Any, read: t.Callable[[str], str | None]) -> frozenset[bytes]:
    """The public keys in the files that a setting names."""
    paths = " ".join(map(str, _as_list(value))).split()
    return _sshd_trust.blobs(line for path in paths if path.startswith("/") for line in (read(path) or "").splitlines())


def _as_list(value: t.Any) -> list[t.Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        return 0o644


def _place(line: _sshd_config.Line) -> str:
    return f"{line.path}:{line.number}"


def _setting(line: _sshd_config.Line) -> str:
    return f"{line.keyword} {line.value}"


def _weak_host_key(path: str, rsa_bits: int) -> bool:
    public = read_file(f"{path}.pub")
    if public is None or not os.path.exists(path):
        return True
    try:
        key = parse(public)
    except KeyFormatError:
        return False
    return key.type == "ssh-rsa" and key.bits < rsa_bits


def main() -> None:
    block = {"type": "list", "elements": "dict", "default": []}
    module = AnsibleModule(
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
            "client_algorithms": {"type": "dict", "default": {}},
            "path": {"type": "path", "default": "/etc/ssh/sshd_config.d/00-research-server.conf"},
            "rsa_bits": {"type": "int", "default": 4096},
            "moduli_minimum": {"type": "int", "default": 3071},
        },
        supports_check_mode=True,
    )
    run_module(module, "sshd", Host, Stages(apply, confirm, (_sshd_config.ConfigError,)))


if __name__ == "__main__":
    main()
