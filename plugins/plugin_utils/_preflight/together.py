# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of several roles must satisfy together. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...module_utils._firewall.rules import rules
from ...module_utils._proxy import sites
from .._jupyter.port import port_of
from .._people import groups_of
from .miniconda import place

Values = Mapping[str, Mapping[str, t.Any]]
"""Of each role of a host that fits by itself."""


def check(values: Values) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    checks = (_door, _around_the_door, _ports, _proxy, _labs, _hub, _lingering, _places)
    return [problem for together in checks for problem in together(values)]


def _places(values: Values) -> list[str]:
    # They follow miniconda_prefix where a lab does not set them: what is wrong with that is told once, by its own role.
    if "miniconda" in values and not values["miniconda"]:
        return []
    own = {"conda_envs": "conda_envs_conda_root", "jupyter": "jupyter_conda_prefix"}
    found = {str(values[role][name]): name for role, name in own.items() if name in values.get(role, {})}
    return [problem for path, name in found.items() for problem in place(name, path)]


def _labs(values: Values) -> list[str]:
    """People's JupyterLabs behind the web server: there are some, it can connect to them, and somebody may come in."""
    proxy, jupyter = values.get("proxy", {}), values.get("jupyter")
    found = []
    for site in proxy.get("proxy_sites", []):
        if site["to"] != sites.JUPYTER or jupyter == {}:
            continue
        where = f"proxy_sites, entry {site['name']}:"
        if jupyter is None:
            found.append(f"{where} to: found 'jupyter'; expected a host with JupyterLab; put it into the group jupyter, too")
            continue
        if jupyter["jupyter_listen"] != "port":
            found.append(
                f"{where} to: found 'jupyter' with 'jupyter_listen: {jupyter['jupyter_listen']}', by which only its owner can "
                "connect; expected 'jupyter_listen: port'; set that"
            )
        if site["auth"] == sites.HUB and not values.get("jupyterhub"):
            continue
        people = sorted(map(str, site.get("users") or _known(values, site["auth"])))
        strangers = [name for name in people if name not in jupyter["jupyter_users"]]
        if site.get("users") and strangers:
            found.append(
                f"{where} users: found {', '.join(strangers)}, without a JupyterLab on this host; expected names of "
                "jupyter_users; correct the name, or take it out"
            )
        elif strangers == people:
            found.append(
                f"{where} found nobody who could come in: none of {', '.join(people) or 'nobody'} has a JupyterLab on this host; "
                "expected the names that people log in with"
            )
    return found


def _known(values: Values, auth: str) -> t.Iterable[str]:
    """Who can show who they are."""
    variables = {"basic": "proxy_passwords", "certificate": "proxy_people", "hub": "jupyterhub_users"}
    role, variable = variables[auth].partition("_")[0], variables[auth]
    people: t.Iterable[str] = values.get(role, {}).get(variable, ())
    return people


def _hub(values: Values) -> t.Iterator[str]:
    """A login page has something behind it, and whoever shall log in somewhere has a page to do so."""
    hub, jupyter = values.get("jupyterhub"), values.get("jupyter", {})
    asked = [site["name"] for site in values.get("proxy", {}).get("proxy_sites", []) if site["auth"] == sites.HUB]
    if hub is None:
        yield from (
            f"proxy_sites, entry {name}: auth: found 'hub'; expected a host with JupyterHub; put it into "
            "the group jupyterhub, too"
            for name in asked
        )
    elif hub and "proxy" not in values:
        yield "jupyterhub: found no web server on this host; expected one in front of it; put the host into the group proxy, too"
    elif hub and values["proxy"] and not asked:
        yield (
            "proxy_sites: found no entry with 'auth: hub', and JupyterHub on this host; expected one; add "
            "{name: lab, to: jupyter, path: /user/, auth: hub}"
        )
    elif hub and jupyter and (strangers := sorted({*hub["jupyterhub_users"]} - {*jupyter["jupyter_users"]})):
        yield (
            f"jupyterhub_users: found {', '.join(strangers)}, without a JupyterLab on this host; expected names of "
            "jupyter_users; correct the name, or take it out"
        )


def _proxy(values: Values) -> list[str]:
    port, sshd = values.get("proxy", {}).get("proxy_port"), values.get("sshd", {})
    if port is None or int(port) not in map(int, [*sshd.get("sshd_previous_ports", []), sshd.get("sshd_port", 0)]):
        return []
    return [f"proxy_port: found {port}, which is a port of sshd; expected another; change one of them"]


def _door(values: Values) -> t.Iterator[str]:
    """Somebody who has an account is in a group that sshd lets in. That some are in none may be meant so."""
    accounts, allowed = values.get("accounts", {}), values.get("sshd", {}).get("sshd_allow_groups")
    people = groups_of(accounts.get) if "accounts_login_group" in accounts else {}
    if allowed and people and all(groups.isdisjoint(map(str, allowed)) for groups in people.values()):
        login = accounts["accounts_login_group"]
        yield (
            f"sshd_allow_groups: found {', '.join(map(str, allowed))}, in none of which anybody of the role accounts is; "
            f"expected '{login}' (accounts_login_group) among them; add it, or set both alike"
        )


def _around_the_door(values: Values) -> t.Iterator[str]:
    """What else the firewall lets in does not open sshd's port to more than may come to it."""
    firewall, port = values.get("firewall", {}), values.get("sshd", {}).get("sshd_port")
    sources = firewall.get("firewall_ssh_from")
    if not sources or port is None:
        return
    # Those for some hosts alone are left out: which this one is, is not asked here.
    entries = [entry for entry in firewall.get("firewall_allow", []) if not entry.get("hosts")]
    ssh, *others = rules(sources, entries, [])
    for rule in others:
        if rule.opens(int(port)) and not rule.is_within(ssh):
            yield (
                f"firewall_allow: found the port {rule.ports}, which opens sshd's port {port} to more than firewall_ssh_from; "
                "expected ports without that one, or the same networks in 'from'; take it out of the range"
            )


def _lingering(values: Values) -> list[str]:
    lists = [values.get("accounts", {}).get(f"accounts_{kind}", []) for kind in ("administrators", "researchers")]
    never = {str(item["name"]) for people in lists for item in people if item.get("linger") is False}
    return [
        f"workbench_linger: found '{name}', who has 'linger: false' in the role accounts; expected one or the other; take the "
        "name out of the list, or the key out of the entry"
        for name in values.get("workbench", {}).get("workbench_linger", [])
        if name in never
    ]


def _ports(values: Values) -> list[str]:
    sshd, jupyter = values.get("sshd", {}), values.get("jupyter", {})
    if "sshd_port" not in sshd:
        return []
    doors = {int(sshd["sshd_port"]): "sshd_port"}
    doors.update(
        (int(port), "one of sshd_previous_ports") for port in sshd.get("sshd_previous_ports", []) if int(port) not in doors
    )
    problems = []
    for name in jupyter.get("jupyter_users", []):
        port = port_of(name, jupyter.get("jupyter_ports", {}))
        if port in doors:
            problems.append(
                f"jupyter_ports: found {port} for the JupyterLab of {name}, which is {doors[port]}; expected another; "
                f"set a port of its own there, 'jupyter_ports: {{{name}: PORT}}', or change {doors[port]}"
            )
    problems += [
        f"jupyter_shared_ports: found {port}, which is {doors[port]}; expected ports of people's own programs; remove it"
        for port in jupyter.get("jupyter_shared_ports", [])
        if port in doors
    ]
    return problems
