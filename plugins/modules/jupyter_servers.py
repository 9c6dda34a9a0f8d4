# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one JupyterLab service per researcher, on the loopback address only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_servers
short_description: Keep exactly one JupyterLab for each researcher, on the loopback address or a UNIX socket
version_added: 0.1.0
description:
  - Looks after the instances of the units C(jupyter@.socket) and C(jupyter@.service), which the role C(jupyter) installs.
  - The socket is a server's door. systemd holds it from boot on, so that nobody else can have its place, and starts the server at
    the first connection. A server that has ended of its own accord sleeps, and is as it should be.
  - One call serves all users of a host. What is wrong with one of them is said at the end, in an error that names the person; all
    others have been served by then.
  - First stops and disables the services of people who are no longer users, and removes their drop-ins and tokens.
  - Then keeps the nftables table C(inet research_server_loopback), which gives ports on the loopback interface to the accounts
    that listen there, and the unit that loads it at boot. Other tables are not touched.
  - Opens and enables the doors, repairs those that were closed, disabled or masked, and restarts servers that are out of date if
    that interrupts nobody. A server is out of date, too, when its owner has joined or left a group since.
  - A server whose door it opens, it starts, too, and waits until it is ready, which proves it. It stops one that listens on an
    address other than loopback. One that ends again and again by itself is not waited for; what it wrote last is in the error.
  - Limits what each user may take of the host, with all that they run there, JupyterLab or not (C(user-UID.slice)).
author:
  - openlab.research_server maintainers (@openlab)
options:
  ports:
    description:
      - Login name to TCP port, of all users who have a JupyterLab on this host. The accounts must exist.
      - Written to C(/etc/lab-jupyter.json), where their owners look it up.
    type: dict
    required: true
  listen:
    description:
      - Where the servers listen. V(port) is C(127.0.0.1) and the user's port; V(socket) is the UNIX socket
        C(/run/lab-jupyter/NAME.sock), which only its user can open.
    type: str
    choices: [port, socket]
    default: port
    version_added: 0.2.0
  limits:
    description:
      - What users may take, each limit by itself. The most specific wins; who is in several groups gets the most that one of them
        gives.
      - C(memory_max), C(memory_high), C(cpu_quota) and C(tasks_max) are values of C(MemoryMax), C(MemoryHigh), C(CPUQuota) and
        C(TasksMax) (systemd.resource-control(5)), for all that a user runs on the host.
      - C(gpus) is a list of GPUs, by minor number or UUID, or of UUIDs of MIG instances; C(all), or an empty list for none. Other
        GPUs can then not be opened, and C(CUDA_VISIBLE_DEVICES) is set in notebooks.
    type: dict
    default: {}
    version_added: 0.2.0
    suboptions:
      general:
        description: Of everybody.
        type: dict
        default: {}
      groups:
        description: Group of the host to the limits of its members.
        type: dict
        default: {}
      people:
        description: Login name to limits.
        type: dict
        default: {}
  devices:
    description: Devices that are no GPUs, such as V(/dev/fuse), which users whose C(gpus) are given keep.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  web:
    description:
      - Addresses, such as V(https://web.lab.example), at which a web server on this host shows the servers to browsers, each
        below C(/user/NAME/).
      - Written to C(/etc/lab-jupyter.json), for their owners.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  web_login:
    description: Whether that web server asks visitors for a login in place of the token. Then the address is told without it.
    type: bool
    default: false
    version_added: 0.2.0
  web_user:
    description: The account of that web server's workers. With O(web) it may connect to the ports, too.
    type: str
    default: www-data
    version_added: 0.2.0
  conda_root:
    description: Prefix of the conda installation with which users make kernels of environments of their own.
    type: path
    default: /opt/miniconda3
    version_added: 0.2.0
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
    description: Seconds within which all servers that were started must be ready, together.
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
      - Says which servers would be started, restarted and removed, and which rules loaded. Waits for nothing.
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
  description:
    - Whether nftables is there, if it is needed, and pam_systemd, which puts logins into the slices that have the limits. Without
      them no server is started.
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

import glob
import grp
import os
import pwd
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._firewall import loopback as firewall_loopback
from ..module_utils._firewall.loopback_table import Loopback
from ..module_utils._host import getent, rights
from ..module_utils._host.difference import difference
from ..module_utils._host.files import read_file
from ..module_utils._host.module import Module, guarded
from ..module_utils._host.runner import RefusedError
from ..module_utils._jupyter import gpus
from ..module_utils._jupyter.host import DOORS, UNITS, Host, Person, door, newest, unit
from ..module_utils._jupyter.limits import GPUS, resolve, slice_lines
from ..module_utils._jupyter.servers import Plan, Server, describe, describe_wanted, make_plan, taken

# pam_systemd(8), in the folders of PAM's modules.
PAM_SYSTEMD = ("/usr/lib/*/security/pam_systemd.so", "/usr/lib/security/pam_systemd.so", "/usr/lib64/security/pam_systemd.so")
# Of the limits, from the general to the specific.
PARTS = ("general", "groups", "people")
# What their owners' command is told, beside the ports.
TOLD = ("listen", "web", "web_login", "conda_root")
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
    first = getent.user(found.pw_uid)
    if first not in ("", found.pw_name):
        return (
            f"found the uid {found.pw_uid}, which is {first}'s, too; expected one of its own; take the name out of jupyter_users"
        )
    if not found.pw_dir.startswith("/"):
        return f"found the home {found.pw_dir!r}; expected an absolute path; correct it with usermod --home"
    return ""


def wrong(host: Host, name: str, server: Server, where: str) -> str:
    """Why somebody's server does not serve, and is stopped if others could reach it; empty if it does, or sleeps."""
    if server.exposed:
        host.stop(name)
        return (
            f"found JupyterLab listening on {', '.join(server.exposed)}; expected {where} only; stopped it; look for "
            f"settings in {UNITS}/{unit(name)}.d and in the Jupyter configuration of {name}"
        )
    if server.door.opens(where) and (server.runs or server.sleeps):
        return ""
    if not server.door.opens(where) and (server.door.active == "active" or not server.moves):
        return (
            f"found its door {server.door.describe()}; expected systemd to hold {where}; look at "
            f"'systemctl status {door(name)}', and for settings in {UNITS}/{door(name)}.d"
        )
    tries = f", started {server.restarts + 1} times" if server.restarts else ""
    return (
        f"found {server.describe()}{tries}; expected JupyterLab on {where}; correct what the end of its journal says, "
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


def strangers(limits: t.Mapping[str, t.Any], every: t.Collection[str], check_mode: bool) -> t.Iterator[str]:
    """Limits of a group or a person that are not there; the role accounts may be about to create them."""
    for group in sorted(limits["groups"]) if not check_mode else ():
        try:
            grp.getgrnam(group)
        except KeyError:
            yield f"jupyter_group_limits: found no group '{group}' on this host; expected one of its groups; correct the name"
    for name in sorted(set(limits["people"]) - set(every)):
        yield f"jupyter_user_limits: found {name!r}, who has no JupyterLab here; expected one of its users; correct the name"


def person(module: AnsibleModule, entry: pwd.struct_passwd, port: int, total: t.Mapping[str, float]) -> tuple[Person, str]:
    """What the units are to know of somebody, and what is wrong with their limits."""
    params, limits = module.params, module.params["limits"]
    groups = [getent.group(number) for number in os.getgrouplist(entry.pw_name, entry.pw_gid)]
    mine = resolve(limits, entry.pw_name, groups, total)
    share = gpus.share(mine.get(GPUS), gpus.present(), params["devices"])
    environment = {} if share.visible is None else {"CUDA_VISIBLE_DEVICES": share.visible}
    where = f"{DOORS}/{entry.pw_name}.sock" if params["listen"] == "socket" else f"127.0.0.1:{port}"
    home = entry.pw_dir if params["protect_keys"] else ""
    return Person(entry, where, home, slice_lines(mine, share.devices), share.devices, environment), share.problem


def _total() -> dict[str, float]:
    """What 100% is of each limit, to know which of two is the larger (systemd.resource-control(5))."""
    memory = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    tasks = min(float(read_file(f"/proc/sys/kernel/{name}") or "32768") for name in ("pid_max", "threads-max"))
    return {"memory_max": memory, "memory_high": memory, "cpu_quota": 100.0, "tasks_max": tasks}


class Wanted(t.NamedTuple):
    """Who is to have a JupyterLab, and where; without those who cannot have one."""

    ports: dict[str, int]
    places: dict[str, str]
    people: dict[str, Person]
    """Of the places, those whose account is there."""
    problems: list[str]


def wanted(module: AnsibleModule) -> Wanted:
    params, check_mode = module.params, module.check_mode
    ports = {name: int(port) for name, port in sorted(params["ports"].items())}
    found = {name: account(name) for name in ports}
    obstacles = {name: obstacle(entry, check_mode) for name, entry in found.items()}
    problems = [f"{name}: {why}" for name, why in obstacles.items() if why]
    problems += strangers(params["limits"], ports, check_mode)
    total = _total()
    told = {name: person(module, entry, ports[name], total) for name, entry in found.items() if entry and not obstacles[name]}
    problems += [f"{name}: {why}" for name, (_person, why) in told.items() if why]
    people = {name: one for name, (one, _why) in told.items()}
    # Who is yet to be created has a place, too.
    places = {name: f"127.0.0.1:{port}" for name, port in ports.items() if not obstacles[name]}
    return Wanted(ports, places | {name: one.where for name, one in people.items()}, people, problems)


def table_of(params: t.Mapping[str, t.Any], ports: t.Mapping[str, int], people: t.Mapping[str, Person]) -> str:
    """The rules for the loopback interface; empty for none."""
    if params["isolation"] == firewall_loopback.NONE:
        return ""
    owners = {ports[name]: one.account.pw_uid for name, one in people.items()} if params["listen"] == "port" else {}
    # Not there before its package: then there is nobody to let in.
    workers = account(params["web_user"]) if params["web"] else None
    guests = [workers.pw_uid] if workers else []
    return firewall_loopback.render(HEADER, params["isolation"], owners, params["shared_ports"], guests)


def run(module: AnsibleModule, host: Host, result: dict[str, t.Any], problems: list[str]) -> None:
    """Do it. What was done is written to `result`, what is wrong with whom to `problems`."""
    params, check_mode = module.params, module.check_mode
    every, places, people, wrong_with = wanted(module)
    problems += wrong_with

    # Who leaves goes first, whatever is wrong with the others.
    before = seen = host.see(every)
    result["removed"] = sorted(set(seen) - set(every))
    result["changed"] = bool(result["removed"])
    if not check_mode:
        problems += host.remove(result["removed"])

    table = table_of(params, every, people)
    files = host.files({"ports": every, **{name: params[name] for name in TOLD}}, people.values())
    loopback = Loopback(module, table, HEADER)
    if loopback.missing or not any(map(glob.glob, PAM_SYSTEMD)):
        result.update(changed=True, installed=False, diff=host.differences(files))
        return
    rules = loopback.compare()
    open_to_others = host.rights(people.values())
    result["diff"] = [*rules, *host.differences(files), *rights.differences(open_to_others)]
    if not check_mode:
        rights.mend(open_to_others)
        # Before any server starts.
        if rules:
            loopback.apply()
        host.write(files)
        seen = host.see(every)

    mine = {name: host.with_files(server, files) for name, server in seen.items() if name in places}
    # In check mode what would be written has no time yet.
    made_at = time.time() if set(host.given) & set(files) else newest([*params["stale_after"], *host.given])
    plan = make_plan(places, mine, made_at, params["restart"])
    occupied = taken(places, plan, mine, host.sockets, guarded=bool(table))
    problems += [f"{name}: {in_the_way(host, name, every[name], inode)}" for name, inode in occupied.items()]
    plan.leave_out(occupied)
    result.update(started=plan.start, restarted=plan.restart, pending=sorted(plan.pending))
    result["changed"] |= bool(rules or files or open_to_others or plan.changed)
    plan.remove = result["removed"]
    result["diff"].append(services(places, {**before, **mine}, plan))
    for name, why in sorted(plan.pending.items()):
        module.warn(
            f"The JupyterLab of {name} is out of date ({why}) and was left alone: something may run in it. "
            f"A run that finds it idle will restart it, and so does: systemctl restart {unit(name)}"
        )
    if not check_mode:
        host.begin(plan)
        seen = host.settle(places, params["timeout"])
    for name in sorted(set(places) - set(occupied) - set(plan.pending)):
        server = seen.get(name, Server(name))
        # What has ended by itself before, a run in check mode does not wait for; nor does it hope for the best.
        coming = not server.restarts and server.coming(time.time(), params["timeout"], 0)
        expected = check_mode and (name in plan.begin or coming)
        why = "" if expected else wrong(host, name, server, places[name])
        problems += [f"{name}: {why}"] if why else []


def services(places: t.Mapping[str, str], seen: t.Mapping[str, Server], plan: Plan) -> dict[str, str]:
    """The diff of the services, one line for each user."""
    return difference("JupyterLab services", describe({*places, *seen}, seen), describe_wanted(places, seen, plan))


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "ports": {"type": "dict", "required": True},
            "listen": {"type": "str", "choices": ["port", "socket"], "default": "port"},
            "limits": {"type": "dict", "default": {}, "options": {part: {"type": "dict", "default": {}} for part in PARTS}},
            "devices": {"type": "list", "elements": "str", "default": []},
            "web": {"type": "list", "elements": "str", "default": []},
            "web_login": {"type": "bool", "default": False},
            "web_user": {"type": "str", "default": "www-data"},
            "conda_root": {"type": "path", "default": "/opt/miniconda3"},
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
