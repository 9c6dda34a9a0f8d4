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
  - One call serves all users of a host. What is wrong with one of them is said at the end, in an error that names the person; all
    others have been served by then.
  - First stops and disables the services of people who are no longer users, and removes their drop-ins and tokens.
  - Then keeps the nftables table C(inet research_server_loopback), which gives ports on the loopback interface to the accounts
    that listen there, and the unit that loads it at boot. Other tables are not touched.
  - Starts and enables what should run, repairs what was stopped, disabled or masked, and restarts what is out of date if that
    interrupts nobody. A server is out of date, too, when its owner has joined or left a group since.
  - Waits until each server that it started listens on its port, and stops a server that listens on an address other than
    loopback. A server that ends again and again by itself is not waited for; what it wrote last is in the error.
author:
  - openlab.research_server maintainers (@openlab)
options:
  ports:
    description:
      - Login name to TCP port, of all users who have a JupyterLab on this host. The accounts must exist.
      - Written to C(/etc/lab-jupyter.json), where the services and their owners look it up.
    type: dict
    required: true
  files:
    description:
      - Files that the servers are made of, such as the unit. Each belongs to root, and is replaced in one step if it differs.
      - As with O(stale_after), a server that was started before one of them was written is out of date.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
    suboptions:
      path:
        description: Absolute path. Its folder must exist.
        type: path
        required: true
      content:
        description: The text of the file.
        type: str
        required: true
      mode:
        description: Permissions in octal digits.
        type: str
        default: "0644"
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
    description: Seconds within which all servers that were started must listen, together.
    type: int
    default: 120
  isolation:
    description:
      - How far ports on the loopback interface belong to accounts.
      - V(servers) gives the ports of O(ports) to their users, whether their servers run or not. Nobody else can connect to them,
        or answer there.
      - V(people) besides lets whatever a person listens on answer only the same account, on all addresses of the host. People are
        the accounts from 1000 on, except those that systemd makes up for services.
      - V(none) has no table.
    type: str
    choices: [people, servers, none]
    default: people
  shared_ports:
    description: Ports on which a person may serve everybody on the host. For O(isolation=people).
    type: list
    elements: int
    default: []
  protect_keys:
    description: Whether each unit is told to make C(~/.ssh) of its user read-only.
    type: bool
    default: true
attributes:
  check_mode:
    description:
      - Says which services would be started, restarted and removed, and which rules loaded. Waits for nothing.
      - A host without the unit or the accounts is no error then.
    support: full
  diff_mode:
    description: Shows one line for each user, the table as it is loaded and as it would be, and the files.
    support: full
requirements:
  - systemd 249 or newer; nftables and C(unshare) (util-linux) unless O(isolation=none)
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
installed:
  description: Whether nftables is there, if it is needed. Without it no server is started.
  returned: success
  type: bool
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

import os
import pwd
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._firewall import loopback as firewall_loopback
from ..module_utils._firewall.loopback_table import Loopback
from ..module_utils._host import rights
from ..module_utils._host.difference import difference
from ..module_utils._host.module import Module, guarded
from ..module_utils._host.runner import RefusedError
from ..module_utils._jupyter.host import PORTS, UNITS, Host, newest, unit
from ..module_utils._jupyter.servers import Plan, Server, describe, describe_wanted, make_plan, taken

HEADER = "Managed by Ansible, role openlab.research_server.jupyter. The next run undoes what is changed here."


def account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def obstacle(found: pwd.struct_passwd | None, check_mode: bool) -> str:
    """Why there can be no server for this account; empty if there can."""
    if found is None:
        # The role accounts may be about to create it.
        absent = "found no account on this host; expected one for each user of JupyterLab; create it (role accounts) or take the "
        return "" if check_mode else f"{absent}name out of jupyter_users"
    if found.pw_uid == 0:
        return "found the uid 0; expected a person's own account; take the name out of jupyter_users"
    if not found.pw_dir.startswith("/"):
        return f"found the home {found.pw_dir!r}; expected an absolute path; correct it with usermod --home"
    return ""


def wrong(host: Host, name: str, server: Server, port: int) -> str:
    """Why somebody's server does not serve, and is stopped if others could reach it; empty if it does."""
    if server.exposed:
        host.stop(name)
        return (
            f"found JupyterLab listening on {', '.join(server.exposed)}; expected 127.0.0.1 only; stopped it; look for "
            f"settings in {UNITS}/{unit(name)}.d and in the Jupyter configuration of {name}"
        )
    if server.up:
        return ""
    tries = f", started {server.restarts + 1} times" if server.restarts else ""
    return (
        f"found {server.describe()}{tries}; expected JupyterLab on 127.0.0.1:{port}; correct what the end of its journal says, "
        f"or look at 'systemctl status {unit(name)}':\n{host.journal(server)}"
    )


def in_the_way(host: Host, name: str, port: int, inode: str) -> str:
    holder, program, pid = host.holder(inode)
    end = f"end it with 'kill {pid}'" if pid else f"find it with 'ss -ltnp sport = :{port}' and end it"
    return (
        f"found {program!r} of {holder}{f', process {pid},' if pid else ''} listening on {host.sockets[inode].address}:{port}; "
        f"expected the port to be free for the JupyterLab of {name}, which has not been started; {end}, or give {name} another "
        "port in jupyter_ports"
    )


def run(module: AnsibleModule, host: Host, result: dict[str, t.Any], problems: list[str]) -> None:
    """Do it. What was done is written to `result`, what is wrong with whom to `problems`."""
    params, check_mode = module.params, module.check_mode
    every: dict[str, int] = {name: int(port) for name, port in sorted(params["ports"].items())}
    found = {name: account(name) for name in every}
    obstacles = {name: obstacle(entry, check_mode) for name, entry in found.items()}
    problems += [f"{name}: {why}" for name, why in obstacles.items() if why]
    ports = {name: port for name, port in every.items() if not obstacles[name]}
    people = {name: entry for name, entry in found.items() if entry and name in ports}

    # Who leaves goes first, whatever is wrong with the others.
    before = seen = host.see(every)
    result["removed"] = sorted(set(seen) - set(every))
    result["changed"] = bool(result["removed"])
    if not check_mode:
        problems += host.remove(result["removed"])

    table = ""
    if params["isolation"] != firewall_loopback.NONE:
        owners = {ports[name]: entry.pw_uid for name, entry in people.items()}
        table = firewall_loopback.render(HEADER, params["isolation"], owners, params["shared_ports"])
    files = host.files(every, {name: entry.pw_dir if params["protect_keys"] else "" for name, entry in people.items()})
    loopback = Loopback(module, table, HEADER)
    if loopback.missing:
        result.update(changed=True, installed=False, diff=host.differences(files))
        return
    rules = loopback.compare()
    open_to_others = host.rights(people)
    result["diff"] = [*rules, *host.differences(files), *rights.differences(open_to_others)]
    if not check_mode:
        rights.mend(open_to_others)
        # Before any server starts.
        if rules:
            loopback.apply()
        host.write(files)
        seen = host.see(every)

    mine = {name: host.with_files(server, files) for name, server in seen.items() if name in ports}
    # In check mode what would be written has no time yet.
    made_at = time.time() if set(host.given) & set(files) else newest([*params["stale_after"], *host.given])
    plan = make_plan(ports, mine, made_at, params["restart"], newest([PORTS]))
    occupied = taken(ports, plan, mine, host.sockets, guarded=bool(table))
    problems += [f"{name}: {in_the_way(host, name, ports[name], inode)}" for name, inode in occupied.items()]
    plan.leave_out(occupied)
    result.update(started=plan.start, restarted=plan.restart, pending=sorted(plan.pending))
    result["changed"] |= bool(rules or files or open_to_others or plan.changed)
    plan.remove = result["removed"]
    result["diff"].append(services(every, {**before, **mine}, plan))
    for name, why in sorted(plan.pending.items()):
        module.warn(
            f"The JupyterLab of {name} is out of date ({why}) and was left alone: something may run in it. "
            f"A run that finds it idle will restart it, and so does: systemctl restart {unit(name)}"
        )
    if not check_mode:
        host.begin(plan)
        seen = host.settle(ports, params["timeout"])
    for name in sorted(set(ports) - set(occupied)):
        server = seen.get(name, Server(name))
        # What has ended by itself before, a run in check mode does not wait for; nor does it hope for the best.
        coming = not server.restarts and server.coming(time.time(), params["timeout"], 0)
        expected = check_mode and (name in plan.begin or coming)
        why = "" if expected else wrong(host, name, server, ports[name])
        problems += [f"{name}: {why}"] if why else []


def services(ports: t.Mapping[str, int], seen: t.Mapping[str, Server], plan: Plan) -> dict[str, str]:
    """The diff of the services, one line for each user."""
    return difference("JupyterLab services", describe({*ports, *seen}, seen), describe_wanted(ports, seen, plan))


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "ports": {"type": "dict", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "stale_after": {"type": "list", "elements": "path", "default": []},
            "restart": {"type": "str", "choices": ["idle", "always", "never"], "default": "idle"},
            "timeout": {"type": "int", "default": 120},
            "isolation": {"type": "str", "choices": list(firewall_loopback.ISOLATION), "default": firewall_loopback.PEOPLE},
            "shared_ports": {"type": "list", "elements": "int", "default": []},
            "protect_keys": {"type": "bool", "default": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    result: dict[str, t.Any] = {"changed": False, "installed": True, "diff": [], "removed": []}
    result.update(started=[], restarted=[], pending=[])
    problems: list[str] = []
    try:
        given = {file["path"]: (file["content"], int(file["mode"], 8)) for file in module.params["files"]}
        run(module, Host(module, HEADER, given), result, problems)
    except RefusedError as error:
        problems.append(f"jupyter_servers: {error}")
    if problems:
        module.fail_json(msg="\n".join(problems), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
