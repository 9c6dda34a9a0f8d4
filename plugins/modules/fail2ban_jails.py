#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All jails at once, and the proof that they see what happens."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_jails
short_description: Run fail2ban with these jails, and prove that it understands this host's SSH server
version_added: 0.2.0
description:
  - Writes one file of jails, tests it, and lets fail2ban run with it, now and after each boot. A file that fail2ban refuses is
    taken back.
  - The loopback addresses and the address of the SSH session that the module is started from are never banned.
  - Bans come back when C(nftables.service) is restarted or reloaded, which empties the whole ruleset on Debian.
  - Proves the jail C(sshd), also when nothing has changed. The module knocks at the host's own SSH server as a scanner does, over
    the loopback address, and expects the jail to report that it saw this and ignored it. That takes a running jail, the right
    place in the journal, and a filter that fits the lines of this version of sshd.
author:
  - openlab.research_server maintainers (@openlab)
options:
  jails:
    description:
      - Sections of C(jail.conf(5\)), C(DEFAULT) among them, each with its settings. A list becomes a value of several lines.
      - A value of V(null) leaves the setting out.
    type: dict
    required: true
  ignoreip:
    description: Addresses, networks and names of hosts that are never banned.
    type: list
    elements: str
    default: []
  packages:
    description:
      - Packages without which nothing is done. RV(missing) tells those that are not there.
    type: list
    elements: str
    default: []
  path:
    description: The file. It has to be read after those of the distribution.
    type: path
    default: /etc/fail2ban/jail.d/research-server.local
  log:
    description: Where fail2ban reports.
    type: path
    default: /var/log/fail2ban.log
attributes:
  check_mode:
    description: Tells what would change. Proves the jail if nothing would.
    support: full
  diff_mode:
    description: Shows the file and the state of the service.
    support: full
requirements:
  - fail2ban 0.11 or newer, OpenSSH and systemd on the managed host; root.
"""

EXAMPLES = r"""
- name: Ban who tries and fails
  openlab.research_server.fail2ban_jails:
    jails:
      DEFAULT:
        banaction: nftables
        backend: systemd
      sshd:
        enabled: true
        mode: aggressive
    ignoreip: [192.0.2.0/24]
"""

RETURN = r"""
missing:
  description: Packages that have to be installed first; nothing was done if there are any.
  returned: success
  type: list
  elements: str
proven:
  description: Whether the jail was seen to understand this host's SSH server.
  returned: success
  type: bool
"""

import contextlib
import itertools
import os
import shlex
import shutil
import socket
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._firewall import bans
from ..module_utils._host import dpkg, rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import put_file, read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.networks import with_address
from ..module_utils._host.refused import RefusedError
from ..module_utils._host.runner import Runner
from ..module_utils._host.session import Session, current_session
from ..module_utils._ssh.server import connection, runtime_directory

HEADER = "Managed by Ansible, role openlab.research_server.fail2ban. The next run undoes what is changed here."
SERVICE = "fail2ban.service"
JAIL = "sshd"
FOLDER = "/etc/fail2ban"
PROOF_SECONDS = 20.0
# Files of others, and lines, that are looked at: each costs a start of fail2ban-client.
SUSPECTS = 20
SHOWN = 5
# Of the log, to see whether its files have been read again.
LOG_TAIL = 1 << 20
UNPROVEN = (
    "jail '{jail}' did not notice a failed connection from {address} within {seconds:g} s, so strangers who try and fail would "
    "not be banned. Expected a line '[{jail}] Ignore {address} by ...' in {log}. Look at 'fail2ban-client status {jail}', at the "
    "lines of sshd in 'journalctl -u ssh', which the filter has to understand, and at 'loglevel' (INFO) in fail2ban.conf"
)
NO_ROOM = (
    "found no room for {log}; expected some, since fail2ban writes there whom it bans, and cannot be seen to work without it. "
    "Look at 'df -h {log}', 'journalctl --disk-usage' and 'du -xh --max-depth=2 /var | sort -h | tail'"
)
RUNNING = {"ActiveState": "active", "UnitFileState": "enabled"}
# Of a start, and of a reload (org.freedesktop.systemd1(5)); in microseconds of the clock that nobody sets.
CHANGED = "StateChangeTimestampMonotonic"


class Host(Runner):
    """What the module asks the host, and tells it."""

    def missing(self, packages: list[str]) -> list[str]:
        status = read_file(dpkg.STATUS)
        if status is not None:
            return bans.missing(packages, status)
        return [name for name in packages if self.attempt("rpm", "--query", "--quiet", name)[0] != 0]

    def service(self) -> tuple[dict[str, str], float]:
        """Its state, and since when it is in it: then it has read its files."""
        shown = self.run("systemctl", "show", f"--property={','.join([*RUNNING, CHANGED])}", SERVICE)
        state = dict(line.split("=", 1) for line in shown.splitlines())
        elapsed = time.monotonic() - int(state.pop(CHANGED, 0)) / 1e6
        return state, time.time() - elapsed

    def doors(self) -> list[tuple[str, int]]:
        sshd = self.module.get_bin_path("sshd", True, ["/usr/sbin", "/usr/local/sbin"])
        with runtime_directory():
            return bans.doors(self.run(sshd, "-T", "-C", connection()))

    @staticmethod
    def write(path: str, text: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        put_file(*os.path.split(path), text)

    def begin_log(self, path: str) -> None:
        """As the drop-in does at each start: where fail2ban's own log is missing, its test fails for want of it."""
        if not os.path.exists(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640))

    def replace(self, path: str, text: str, before: str | None) -> None:
        """Write the file; take it back if fail2ban does not understand it."""
        there = [name for name in (path, os.path.dirname(path)) if os.path.exists(name)]
        times = {name: os.stat(name) for name in there}
        self.write(path, text)
        try:
            self.run("fail2ban-client", "--test")
        except RefusedError as error:
            if before is None:
                os.unlink(path)
            else:
                self.write(path, before)
            # What is as it was has not changed since fail2ban read it.
            for name, status in times.items():
                os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns))
            raise RefusedError(f"fail2ban refuses {path}; what was there before has been restored: {error}") from error


class Overridden(t.NamedTuple):
    """Files of others that change what our jails do, and how."""

    files: list[str]
    found: list[str]
    expected: list[str]


def overridden(host: Host, folder: str, ours: str, jails: t.Collection[str]) -> Overridden:
    """fail2ban itself says what it reads, with these files and without them. On most hosts there are none to ask about."""
    names = [os.path.relpath(os.path.join(top, file), folder) for top, _folders, files in os.walk(folder) for file in files]
    suspects = bans.overriding(names, os.path.relpath(ours, folder))[:SUSPECTS]
    if not suspects:
        return Overridden([], [], [])
    found = bans.commands(host.run("fail2ban-client", "-c", folder, "-d"), jails)
    without = {name: _without(host, folder, [name], jails) for name in suspects}
    files = [name for name in suspects if without[name] != found]
    expected = _without(host, folder, suspects, jails)
    return Overridden(
        [os.path.join(folder, name) for name in files],
        [line for line in found if line not in expected],
        [line for line in expected if line not in found],
    )


def _without(host: Host, folder: str, names: t.Collection[str], jails: t.Collection[str]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix=".research-server-") as copy:
        here = os.path.join(copy, "fail2ban")
        shutil.copytree(folder, here)
        for name in names:
            os.unlink(os.path.join(here, name))
        return bans.commands(host.run("fail2ban-client", "-c", here, "-d"), jails)


def live(host: Host, jails: t.Collection[str]) -> tuple[list[str], list[str]]:
    """What the running server does otherwise than its files say, and what they say: somebody has told it with fail2ban-client."""
    dump = host.run("fail2ban-client", "-d")
    asked = bans.numbers(dump, jails) + bans.spared(dump, jails) + bans.actions(dump, jails)
    questions = "".join(f"get {jail} {key}\n" for jail, key, _value in asked)
    # All in one: each start of the client takes longer than the answers. At the end of the questions it complains.
    _rc, out, _err = host.attempt("fail2ban-client", "-i", data=questions)
    answers = bans.answers(out)[: len(asked)]
    runs, says = [], []
    for (jail, key, value), answer in zip(asked, answers):
        said = bans.answered(key, answer)
        if said != value:
            runs.append(f"{jail}: {key} {said}")
            says.append(f"{jail}: {key} {value}")
    return runs, says


def unread(folder: str, since: float, log: str) -> list[str]:
    """What has been changed in its folder, and in that of its unit's drop-ins, since fail2ban has read them.

    Of a reload by fail2ban-client only its log tells.
    """
    changed = {path: when for path, when in times(folder) if when > since}
    if not changed:
        return []
    reloaded = bans.reloaded(read_from(log, max(0, os.path.getsize(log) - LOG_TAIL))) if os.path.exists(log) else 0.0
    return sorted(path for path, when in changed.items() if when > reloaded)


def times(folder: str) -> t.Iterator[tuple[str, float]]:
    """When each folder and file that fail2ban reads was changed."""
    for top, _folders, files in itertools.chain(os.walk(folder), os.walk(os.path.dirname(bans.OWN_DROPIN))):
        for path in (top, *(os.path.join(top, name) for name in files if name.endswith((".conf", ".local")))):
            with contextlib.suppress(OSError):
                yield path, os.stat(path).st_mtime


def prove(host: Host, log: str, session: Session | None) -> None:
    """Knock at sshd's door, and wait until the jail says that it saw it."""
    begin = os.path.getsize(log) if os.path.exists(log) else 0
    doors = host.doors()
    if session is not None:
        # Where its files have changed since it was started, they do not say where it is.
        doors += [
            (address, session.server_port) for address in ("127.0.0.1", "::1") if (address, session.server_port) not in doors
        ]
    address = next((address for address, port in doors if knock(address, port)), None)
    if address is None:
        where = ", ".join(f"{address} port {port}" for address, port in doors)
        raise RefusedError(f"found no SSH server that answers at {where or 'any address'}; expected one, to prove jail '{JAIL}'")
    if not room_for(log):
        raise RefusedError(NO_ROOM.format(log=log))
    deadline = time.monotonic() + PROOF_SECONDS
    while not bans.noticed(read_from(log, begin), JAIL, address):
        if time.monotonic() > deadline:
            raise RefusedError(UNPROVEN.format(jail=JAIL, address=address, seconds=PROOF_SECONDS, log=log))
        time.sleep(0.1)


def room_for(path: str) -> bool:
    """Whether one more line can be written there; not if the folder is missing, either."""
    with contextlib.suppress(OSError):
        room = os.statvfs(os.path.dirname(path))
        return room.f_bfree > 0 or room.f_blocks == 0
    return False


def knock(address: str, port: int) -> bool:
    """Say something that is no SSH, which sshd writes down as it does for a scanner. Whether somebody was there."""
    try:
        with socket.create_connection((address, port), 5) as connection:
            connection.sendall(b"research-server looks whether fail2ban notices\r\n")
            connection.settimeout(5)
            while connection.recv(4096):
                pass
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True


def read_from(path: str, begin: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            # After a rotation it begins anew.
            stream.seek(begin if os.fstat(stream.fileno()).st_size >= begin else 0)
            return stream.read()
    except FileNotFoundError:
        return ""


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params, host = module.params, Host(module)
    missing = host.missing(params["packages"])
    if missing and not module.check_mode:
        return {"changed": False, "missing": missing, "proven": False}

    session = current_session()
    ignored = with_address([*bans.LOOPBACK, *params["ignoreip"]], session.client_address if session else None)
    path = params["path"]
    text, before = bans.render(HEADER, params["jails"], ignored), read_file(path)
    # Before the installation there is no service to ask.
    state, since = ({"ActiveState": "inactive", "UnitFileState": "disabled"}, 0.0) if missing else host.service()
    new_file, new_state = text != before, state != RUNNING
    dropins = {
        bans.NFTABLES_DROPIN: bans.NFTABLES_TEXT.format(header=HEADER),
        bans.OWN_DROPIN: bans.OWN_TEXT.format(header=HEADER, log=params["log"]),
    }
    were = {name: read_file(name) for name in dropins}
    jails = [name for name in params["jails"] if name != "DEFAULT"]
    runs, says = live(host, jails) if state == RUNNING and not new_file else ([], [])
    later = unread(FOLDER, since, params["log"]) if state == RUNNING else []
    new_dropins = [name for name, wanted in dropins.items() if wanted != were[name]]
    wrong = rights.faults({path: 0o644, **dict.fromkeys(dropins, 0o644)})
    if not module.check_mode:
        rights.mend(wrong)
        for name in new_dropins:
            host.write(name, dropins[name])
        if new_dropins:
            host.run("systemctl", "daemon-reload")
        if new_file:
            host.begin_log(params["log"])
            host.replace(path, text, before)
        if state["UnitFileState"].startswith("masked"):
            host.run("systemctl", "unmask", SERVICE)
            host.run("systemctl", "unmask", "--runtime", SERVICE)
        if new_state:
            host.run("systemctl", "enable", SERVICE)
        if new_file or new_state or runs or later or bans.OWN_DROPIN in new_dropins:
            # Bans survive: fail2ban keeps them in its database.
            host.run("systemctl", "restart", SERVICE)
    # In check mode our own file may still be another one.
    others = Overridden([], [], []) if missing or (module.check_mode and new_file) else overridden(host, FOLDER, path, jails)
    proving = not others.files and (not module.check_mode or not (new_file or new_state))
    if proving:
        prove(host, params["log"], session)
    result = {
        "changed": new_file or new_state or bool(new_dropins or wrong or runs or later),
        "missing": missing,
        "proven": proving,
        "diff": differences({path: (before, text), **{name: (were[name], dropins[name]) for name in dropins}}, state)
        + rights.differences(wrong)
        + ([difference("what fail2ban does", text_of(runs), text_of(says))] if runs else [])
        + [difference(path, "changed since fail2ban has read it\n", "read by the fail2ban that runs\n") for path in later]
        + ([difference("what fail2ban reads", text_of(others.found), text_of(others.expected))] if others.files else []),
    }
    if others.files:
        moves = " && ".join(f"mv {shlex.quote(name)} {shlex.quote(name)}.replaced" for name in others.files)
        module.fail_json(
            msg=f"fail2ban: found in {' and '.join(others.files)} what changes the jails of this role: "
            f"{'; '.join(others.found[:SHOWN]) or 'lines that are missing'}. Expected what fail2ban_jails says. State it there, "
            f"or put the file aside: {moves}",
            **result,
        )
    return result


def text_of(lines: t.Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def differences(files: dict[str, tuple[str | None, str]], state: dict[str, str]) -> list[Difference]:
    texts = [difference(path, before, text) for path, (before, text) in files.items() if text != before]
    found, wanted = (f"{', '.join(values[key] for key in RUNNING)}\n" for values in (state, RUNNING))
    return texts + ([difference(SERVICE, found, wanted)] if found != wanted else [])


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "jails": {"type": "dict", "required": True},
            "ignoreip": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": "/etc/fail2ban/jail.d/research-server.local"},
            "log": {"type": "path", "default": "/var/log/fail2ban.log"},
        },
        supports_check_mode=True,
    )
    run_module(module, run, name="fail2ban", root=True)


if __name__ == "__main__":
    main()
