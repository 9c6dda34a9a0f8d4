# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JupyterHub as the login of people's JupyterLabs: all of it in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyterhub
short_description: Run JupyterHub as the login of people's JupyterLabs
version_added: 0.2.0
description:
  - Keeps the folder C(/etc/research-server/jupyterhub), the files of O(files), and the units C(jupyterhub.socket) and
    C(jupyterhub.service) running. The socket is held by systemd, so that visitors wait while JupyterHub is restarted.
  - With O(passwords) also the unit C(jupyterhub-login.socket), to which nobody but JupyterHub can connect, being alone in
    the group C(research-server-jupyterhub). Without, it takes both away.
  - Makes a key on the host, and from it a word for each of O(people), by which their JupyterLab knows whom JupyterHub has let in.
  - After a change it asks JupyterHub for an answer. What it does not run with is taken back.
author:
  - openlab.research_server maintainers (@openlab)
options:
  people:
    description: Login names of those who may log in. The accounts must exist.
    type: list
    elements: str
    required: true
  settings:
    description: What JupyterHub is to know beside that; everybody on the host can read it.
    type: dict
    default: {}
  client_secret:
    description: The secret by which the provider knows this server; empty without a provider.
    type: str
    default: ""
  database_password:
    description: The password for a database whose address is in O(settings); empty where none is asked for.
    type: str
    default: ""
  passwords:
    description: Whether people log in with the passwords of their accounts on the host.
    type: bool
    default: false
  files:
    description: Files that it is made of. Each belongs to root; JupyterHub is restarted when one differs.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The text of the file. If it is empty, there is none.
        type: str
        required: true
  environment:
    description: The conda environment that it runs in. One started before that was made is restarted.
    type: path
    required: true
  timeout:
    description: Seconds within which it must answer.
    type: int
    default: 120
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
  diff_mode:
    description: Shows files, of secrets only that they differ, and the units.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Let ada log in
  openlab.research_server.jupyterhub:
    people: [ada]
    client_secret: "{{ vault_hub_secret }}"
    environment: /opt/miniconda3/envs/jupyterhub
"""

RETURN = r"""
restarted:
  description: Whether JupyterHub was started, or started again.
  returned: success
  type: bool
"""

import contextlib
import grp
import hashlib
import hmac
import http.client
import json
import os
import pwd
import secrets
import socket
import time
import typing as t
from collections.abc import Collection, Mapping

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._host import rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.runner import RefusedError, Runner
from ..module_utils._jupyter.host import newest
from ..module_utils._proxy.files import File, differences, faults, new, or_as_before
from ..module_utils._proxy.sites import HUB_SOCKET

FOLDER = "/etc/research-server/jupyterhub"
SETTINGS = f"{FOLDER}/settings.json"
KEY = f"{FOLDER}/key"
CLIENT_SECRET = f"{FOLDER}/client_secret"
DATABASE_PASSWORD = f"{FOLDER}/database_password"
# People own theirs, so they are not in /etc.
DOORS = "/var/lib/research-server-jupyterhub"
SOCKET = "jupyterhub.socket"
SERVICE = "jupyterhub.service"
# JupyterHub wants it, and nothing else does. It starts a service for each connection.
LOGIN = "jupyterhub-login.socket"
LOGIN_SOCKET = "/run/jupyterhub-login.sock"
UNITS = (SOCKET, SERVICE)
RUNNING = {"ActiveState": "active", "UnitFileState": "enabled"}
WANTED = {"ActiveState": "active", "UnitFileState": "static"}
GONE = {"ActiveState": "inactive", "UnitFileState": ""}
# Of JupyterHub while it runs, and of nobody's account.
GROUP = "research-server-jupyterhub"
ALONE = "without members"
KEY_BYTES = 32
JOURNAL_LINES = "15"
# What has ended by itself so often will do so again.
ENOUGH = 3


class Unit(t.NamedTuple):
    """One of both, as it was seen."""

    state: dict[str, str]
    started: float
    """Seconds since the epoch; 0 if it does not run."""
    reload: bool
    restarts: int
    """How often systemd has started it again by itself."""


class Host(Runner):
    def unit(self, name: str) -> Unit:
        properties = f"{','.join(RUNNING)},NeedDaemonReload,ActiveEnterTimestampMonotonic,NRestarts"
        shown = dict(line.split("=", 1) for line in self.run("systemctl", "show", f"--property={properties}", name).splitlines())
        booted = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        entered = int(shown["ActiveEnterTimestampMonotonic"] or 0)
        state = {key: shown[key] for key in RUNNING}
        started = booted + entered / 1e6 if state["ActiveState"] == "active" else 0.0
        return Unit(state, started, shown["NeedDaemonReload"] == "yes", int(shown.get("NRestarts", 0)))

    def restart(self, door: bool, passwords: bool) -> None:
        """`door`: the socket, too, which no visitor waits at then."""
        self.run("systemctl", "daemon-reload")
        units = (*UNITS, LOGIN) if passwords else UNITS
        for name in units:
            if self.unit(name).state["UnitFileState"].startswith("masked"):
                self.run("systemctl", "unmask", name)
        self.run("systemctl", "enable", "--", *UNITS)
        self.run("systemctl", "stop", "--", SERVICE, *([SOCKET] if door else []))
        self.attempt("systemctl", "reset-failed", "--", *units)
        self.run("systemctl", "start", "--", SOCKET)
        if passwords:
            self.run("systemctl", "restart", "--", LOGIN)
        # Whether it gets ready is proved.
        self.run("systemctl", "start", "--no-block", "--", SERVICE)

    def give_group(self) -> None:
        if not group():
            self.run("groupadd", "--system", GROUP)
        elif group() != ALONE:
            self.run("gpasswd", "--members", "", GROUP)

    def forget_passwords(self) -> None:
        """The unit, whose file is gone, so that it no longer removes its socket itself; and the group."""
        self.attempt("systemctl", "stop", "--", LOGIN)
        self.attempt("systemctl", "reset-failed", "--", LOGIN)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(LOGIN_SOCKET)
        if group():
            self.run("groupdel", GROUP)

    def prove(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not answers():
            unit = self.unit(SERVICE)
            if unit.restarts >= ENOUGH or unit.state["ActiveState"] == "failed" or time.monotonic() > deadline:
                journal = self.attempt("journalctl", "-u", SERVICE, "-n", JOURNAL_LINES, "-o", "cat", "--no-pager")[1].strip()
                raise RefusedError(
                    f"found no answer of JupyterHub at {HUB_SOCKET}; expected one within {seconds:g} s. Correct what the end of "
                    f"its journal says:\n{journal}"
                )
            time.sleep(0.3)


def answers() -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException), socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(5)
        channel.connect(HUB_SOCKET)
        channel.sendall(b"GET /hub/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = http.client.HTTPResponse(channel)
        answer.begin()
        return answer.status == http.client.OK
    return False


def accounts(names: Collection[str]) -> dict[str, pwd.struct_passwd]:
    """Those that are there."""
    found = {}
    for name in names:
        with contextlib.suppress(KeyError):
            found[name] = pwd.getpwnam(name)
    return found


def group() -> str:
    """What is to be said of it; empty if there is none."""
    try:
        return ", ".join(sorted(grp.getgrnam(GROUP).gr_mem)) or ALONE
    except KeyError:
        return ""


def word(key: str, name: str) -> str:
    """As JupyterHub makes it, too."""
    return hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()


def wanted(params: Mapping[str, t.Any], people: Mapping[str, pwd.struct_passwd]) -> dict[str, File]:
    key = read_file(KEY) or secrets.token_hex(KEY_BYTES)
    settings = {**params["settings"], "people": sorted(params["people"])}
    doors = {
        f"{DOORS}/{name}": File(f"{word(key, name)}\n", 0o400, entry.pw_gid, secret=True, owner=entry.pw_uid)
        for name, entry in people.items()
    }
    there = os.listdir(DOORS) if os.path.isdir(DOORS) else []
    return {
        **{file["path"]: File(file["content"] or None) for file in params["files"]},
        SETTINGS: File(f"{json.dumps(settings, indent=4, sort_keys=True)}\n"),
        KEY: File(key, 0o600, secret=True),
        CLIENT_SECRET: _secret(params["client_secret"]),
        DATABASE_PASSWORD: _secret(params["database_password"]),
        **{path: File(None, secret=True) for path in (f"{DOORS}/{name}" for name in there) if path not in doors},
        **doors,
    }


def _secret(text: str) -> File:
    return File(f"{text}\n" if text else None, 0o600, secret=True)


def states(passwords: bool) -> dict[str, dict[str, str]]:
    """As the units shall be."""
    return {SOCKET: RUNNING, SERVICE: RUNNING, LOGIN: WANTED if passwords else GONE}


def unit_differences(seen: Mapping[str, Unit], wanted: Mapping[str, Mapping[str, str]], stale: bool) -> list[Difference]:
    found = [
        difference(name, *(_told(state) for state in (unit.state, wanted[name])))
        for name, unit in seen.items()
        if unit.state != wanted[name]
    ]
    return [*found, *([difference(SERVICE, "runs as it was before\n", "runs as it is now\n")] if stale else [])]


def _told(state: Mapping[str, str]) -> str | None:
    return None if state == GONE else f"{', '.join(filter(None, state.values()))}\n"


def group_difference(passwords: bool) -> list[Difference]:
    found, wanted = group(), ALONE if passwords else ""
    return [] if found == wanted else [difference(f"group {GROUP}", *(f"{text}\n" if text else None for text in (found, wanted)))]


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params, host = module.params, Host(module)
    people = accounts(params["people"])
    files = wanted(params, people)
    changed = new(files)
    wrong = faults(files, {DOORS: File("", 0o755)})
    passwords = params["passwords"]
    shall = states(passwords)
    seen = {name: host.unit(name) for name in shall}
    of_group = group_difference(passwords)
    # What it has read; people's words it computes.
    read = [path for path in files if not path.startswith(f"{DOORS}/")]
    door = any(path.endswith(SOCKET) for path in changed) or seen[SOCKET].state != RUNNING
    stale = bool(set(read) & set(changed)) or newest([*read, params["environment"]]) > seen[SERVICE].started
    odd = any(unit.reload or unit.state != shall[name] for name, unit in seen.items())
    restart = stale or door or odd or bool(of_group)
    # Of one that does not run at all, that it is out of date goes without saying.
    told = stale and seen[SERVICE].state == RUNNING
    diff = [*differences(changed), *rights.differences(wrong), *of_group, *unit_differences(seen, shall, told)]
    if not module.check_mode:
        rights.mend(wrong)
        try:
            with or_as_before(changed):
                if passwords and of_group:
                    host.give_group()
                if restart:
                    host.restart(door, passwords)
                    host.prove(params["timeout"])
                if not passwords and (of_group or seen[LOGIN].state != GONE):
                    host.forget_passwords()
        except (RefusedError, OSError) as error:
            if restart:
                host.attempt("systemctl", "daemon-reload")
                host.attempt("systemctl", "restart", "--", SERVICE)
                if seen[LOGIN].state == GONE:
                    host.forget_passwords()
            raise RefusedError(f"JupyterHub does not run with the new configuration; the one before is back: {error}") from error
        if missing := sorted(set(params["people"]) - set(people)):
            raise RefusedError(
                f"jupyterhub_users: found no account {', '.join(missing)} on this host; all others are served. Create it (role "
                "accounts), or take the name out"
            )
    return {"changed": bool(diff) or restart, "restarted": restart, "diff": diff}


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "people": {"type": "list", "elements": "str", "required": True},
            "settings": {"type": "dict", "default": {}},
            "client_secret": {"type": "str", "default": "", "no_log": True},
            "database_password": {"type": "str", "default": "", "no_log": True},
            "passwords": {"type": "bool", "default": False, "no_log": False},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "environment": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    run_module(module, run, name="jupyterhub", root=True)


if __name__ == "__main__":
    main()
