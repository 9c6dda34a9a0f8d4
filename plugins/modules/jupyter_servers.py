# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one JupyterLab service per researcher, on the loopback address only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_servers
short_description: Run exactly one JupyterLab service for each researcher, on the loopback address only
version_added: 0.1.0
description:
  - Looks after the instances of the unit C(jupyter@.service), which the role C(jupyter) installs.
  - One call serves all users of a host.
  - Starts and enables what should run, repairs what was stopped, disabled, masked or has failed, and restarts what is out of date
    if that interrupts nobody.
  - Stops and disables the services of all other users and removes their drop-ins and tokens.
  - Does not return before each server that it started listens on its port, and stops a server that listens on an address
    other than loopback.
author:
  - openlab.research_server maintainers (@openlab)
options:
  ports:
    description: Login name to TCP port, of all users who have a JupyterLab on this host. The accounts must exist.
    type: dict
    required: true
  stale_after:
    description:
      - Paths of which each server is a product, such as its unit file.
      - A server that was started before one of them was written is out of date.
      - A symbolic link counts as itself, not as what it points to. What does not exist is ignored.
    type: list
    elements: path
    default: []
  restart:
    description:
      - What becomes of a server that is out of date. A restart ends its kernels and terminals.
      - V(idle) restarts it if nothing but the server itself runs in its control group; otherwise it is left alone and reported.
      - V(always) restarts it.
      - V(never) only reports it.
    type: str
    choices: [idle, always, never]
    default: idle
  timeout:
    description: Seconds until a server that was started must listen.
    type: int
    default: 120
attributes:
  check_mode:
    description:
      - Says which services would be started, restarted and removed.
      - A host without the unit or the accounts is no error then.
    support: full
  diff_mode:
    description: Shows one line for each user, before and after.
    support: full
requirements:
  - systemd 249 or newer
"""

EXAMPLES = r"""
- name: Run the JupyterLab of each researcher
  openlab.research_server.jupyter_servers:
    ports:
      alice: 26173
      bob: 21907
    stale_after: [/etc/systemd/system/jupyter@.service]
"""

RETURN = r"""
started:
  description: Users whose server was started.
  returned: success
  type: list
  elements: str
restarted:
  description: Users whose server was out of date and was restarted.
  returned: success
  type: list
  elements: str
pending:
  description: Users whose server is out of date and was left alone because something runs in it.
  returned: success
  type: list
  elements: str
removed:
  description: Users whose server was stopped and removed.
  returned: success
  type: list
  elements: str
"""

import glob
import os
import pwd
import shutil
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._jupyter_servers import (
    Listener,
    Plan,
    Server,
    describe,
    describe_wanted,
    make_plan,
    name_of,
    parse_listeners,
    parse_show,
    taken,
)
from ..module_utils._module import Module, guarded

UNITS = "/etc/systemd/system"
STATE = "/var/lib/jupyter"
PROPERTIES = "Id,LoadState,ActiveState,SubState,NeedDaemonReload,DropInPaths,MainPID,ControlGroup,ExecMainStartTimestampMonotonic"
POLL_SECONDS = 0.2


def unit(name: str) -> str:
    return f"jupyter@{name}.service"


def read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def newest(paths: t.Iterable[str]) -> float:
    """When the last of the files or links was written; what does not exist does not count."""
    return max((os.lstat(path).st_mtime for path in paths if os.path.lexists(path)), default=0.0)


class Host:
    """What is read from the host and done on it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.ports: dict[str, int] = {name: int(port) for name, port in module.params["ports"].items()}
        self.listening: list[Listener] = []

    def systemctl(self, *arguments: str) -> str:
        program = self.module.get_bin_path("systemctl", required=True)
        return str(self.module.run_command([program, "--no-pager", *arguments], check_rc=True)[1])

    def see(self) -> dict[str, Server]:
        """Read the instances that should be there and those that are."""
        enabled = self.names(f"{UNITS}/*.wants/jupyter@*.service")
        leftovers = self.names(f"{UNITS}/jupyter@*.service.d") | {os.path.basename(path) for path in glob.glob(f"{STATE}/*")}
        wanted = [unit(name) for name in sorted({*self.ports, *enabled})]
        blocks = parse_show(self.systemctl("show", f"--property={PROPERTIES}", "--", *wanted, unit("*")))
        sockets = {**parse_listeners(read_text("/proc/net/tcp")), **parse_listeners(read_text("/proc/net/tcp6"))}
        self.listening = list(sockets.values())
        # Both clocks are read together: systemd gives the start in monotonic time only as a number (systemctl(1), show).
        booted = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        servers = {}
        for block in blocks:
            name = name_of(block["Id"])
            if name is None:
                continue
            pid = int(block["MainPID"])
            server = Server(
                name=name,
                load=block["LoadState"],
                active=block["ActiveState"],
                sub=block["SubState"],
                enabled=name in enabled,
                reload=block["NeedDaemonReload"] == "yes",
                pid=pid,
                started=booted + int(block.get("ExecMainStartTimestampMonotonic") or 0) / 1e6,
                processes=self.processes(block.get("ControlGroup", "")),
                listeners=self.listeners(pid, sockets),
                leftovers=name in leftovers,
                overridden=newest(block.get("DropInPaths", "").split()),
            )
            if name in self.ports or server.enabled or server.leftovers or server.active != "inactive":
                servers[name] = server
        for name in leftovers - set(servers) - set(self.ports):
            servers[name] = Server(name, leftovers=True)
        return servers

    @staticmethod
    def names(pattern: str) -> set[str]:
        found = (name_of(os.path.basename(path).removesuffix(".d")) for path in glob.glob(pattern))
        return {name for name in found if name}

    @staticmethod
    def processes(group: str) -> int | None:
        """How many processes run in a control group and those below it; None if that cannot be read (cgroups(7))."""
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
            if group and os.path.isfile(f"{root}{group}/cgroup.procs"):
                return sum(
                    len(read_text(os.path.join(folder, "cgroup.procs")).split())
                    for folder, unused, unused in os.walk(f"{root}{group}")
                )
        return None

    @staticmethod
    def listeners(pid: int, sockets: t.Mapping[str, Listener]) -> tuple[Listener, ...]:
        """The addresses on which a process listens. Other programs on the same port do not count."""
        found = set()
        for path in glob.glob(f"/proc/{pid}/fd/*") if pid else ():
            try:
                target = os.readlink(path)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(sockets.get(target[8:-1]))
        return tuple(sorted(listener for listener in found if listener))

    def settle(self) -> dict[str, Server]:
        """What is there once no server is still starting."""
        seconds = self.module.params["timeout"]
        deadline = time.monotonic() + seconds
        seen = self.see()
        while time.monotonic() < deadline and any(
            server.booting(time.time(), seconds) for name, server in seen.items() if name in self.ports
        ):
            time.sleep(POLL_SECONDS)
            seen = self.see()
        return seen

    def apply(self, plan: Plan) -> None:
        if plan.remove:
            self.systemctl("disable", "--now", "--", *map(unit, plan.remove))
            for name in plan.remove:
                shutil.rmtree(f"{UNITS}/{unit(name)}.d", ignore_errors=True)
                shutil.rmtree(f"{STATE}/{name}", ignore_errors=True)
        if plan.unmask:
            self.systemctl("unmask", "--", *map(unit, plan.unmask))
        if plan.reload or plan.remove:
            self.systemctl("daemon-reload")
        if plan.enable:
            self.systemctl("enable", "--", *map(unit, plan.enable))
        begin = [unit(name) for name in sorted({*plan.start, *plan.restart})]
        if begin:
            self.systemctl("reset-failed", "--", *begin)
            self.systemctl("restart", "--", *begin)

    def problems(self, seen: t.Mapping[str, Server], names: t.Iterable[str]) -> list[str]:
        """Say which of the servers do not serve after all, and why as far as the journal tells."""
        found = []
        for name in names:
            server = seen.get(name, Server(name))
            if server.exposed:
                self.systemctl("stop", "--", unit(name))
                found.append(
                    f"{name}: found JupyterLab listening on {', '.join(server.exposed)}; expected 127.0.0.1 only; stopped it; "
                    f"look for settings in {UNITS}/{unit(name)}.d"
                )
            elif not server.serves(self.ports[name]):
                program = self.module.get_bin_path("journalctl", required=True)
                # What the service itself wrote, without systemd's account of each attempt (systemd.journal-fields(7)).
                own = [f"_SYSTEMD_UNIT={unit(name)}", "-n", "8", "-o", "cat", "--no-pager"]
                lines = self.module.run_command([program, *own])[1]
                found.append(
                    f"{name}: found {server.describe()}; expected JupyterLab on 127.0.0.1:{self.ports[name]} within "
                    f"{self.module.params['timeout']} s; the end of its journal:\n{lines.rstrip()}"
                )
        return found


def check_accounts(names: t.Iterable[str]) -> tuple[list[str], list[str]]:
    """Which of the names have no account on this host, and which are the superuser's."""
    missing, superusers = [], []
    for name in names:
        try:
            if pwd.getpwnam(name).pw_uid == 0:
                superusers.append(name)
        except KeyError:
            missing.append(name)
    return missing, superusers


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "ports": {"type": "dict", "required": True},
            "stale_after": {"type": "list", "elements": "path", "default": []},
            "restart": {"type": "str", "choices": ["idle", "always", "never"], "default": "idle"},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    host = Host(module)
    missing, superusers = check_accounts(sorted(host.ports))
    if superusers:
        module.fail_json(msg=f"found user(s) with uid 0: {', '.join(superusers)}; expected people's own accounts; remove them")
    if missing and not module.check_mode:
        module.fail_json(
            msg=f"found no account on this host for: {', '.join(missing)}; expected one for each user of JupyterLab; "
            "create them (role accounts) or remove them from the list"
        )

    seen = host.settle()
    plan = make_plan(host.ports, seen, newest(module.params["stale_after"]), module.params["restart"])
    result: dict[str, t.Any] = {
        "changed": plan.changed,
        "started": plan.start,
        "restarted": plan.restart,
        "pending": plan.pending,
        "removed": plan.remove,
        "diff": {
            "before_header": "JupyterLab services",
            "after_header": "JupyterLab services",
            "before": describe({*host.ports, *seen}, seen),
            "after": describe_wanted(host.ports, seen, plan),
        },
    }
    for name in plan.pending:
        module.warn(
            f"The JupyterLab of {name} is out of date and was left alone: something may run in it. "
            f"A run that finds it idle will restart it, and so does: systemctl restart {unit(name)}"
        )
    occupied = taken(host.ports, plan, seen, host.listening)
    if occupied:
        found = ", ".join(f"port {host.ports[name]} of {name}" for name in occupied)
        module.fail_json(
            msg=f"found another program listening on {found}; expected the port to be free; find it with 'ss -ltnp' and stop it, "
            "or give the user another port in jupyter_ports; no service has been changed",
            **{**result, "changed": False},
        )
    if plan.changed and not module.check_mode:
        host.apply(plan)
        seen = host.settle()
        problems = host.problems(seen, sorted({*plan.start, *plan.restart}))
        if problems:
            module.fail_json(msg="\n".join(problems), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
