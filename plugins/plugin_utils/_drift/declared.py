# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory declares about a host, as the module `audit` takes it. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Collection

from .._jupyter.port import port_of
from .._people import present

READ = ("accounts", "conda_envs", "firewall", "jupyter", "miniconda", "proxy", "sshd", "workbench")
"""Roles whose variables say what there is."""
CONDA = ("conda_envs", "jupyter", "miniconda")


def declared(value: Callable[[str], t.Any], roles: Collection[str]) -> dict[str, t.Any]:
    """Arguments of the module. `value` gives a variable, with the roles' defaults; `roles` are those that the host has."""
    kinds = ("administrators", "researchers")
    administrators, researchers = (present(value(f"accounts_{kind}") if "accounts" in roles else []) for kind in kinds)
    people = {**researchers, **administrators}
    told: dict[str, t.Any] = {
        "administrators": sorted(administrators),
        "people": sorted(people),
        "with_password": sorted(
            name
            for name, item in people.items()
            if item.get("password") or (name in administrators and not item.get("sudo_nopasswd"))
        ),
        "extra_groups": {name: [str(group) for group in item.get("groups") or []] for name, item in people.items()},
        # Where no role decides on the port, it is the one by which Ansible comes in.
        "sshd_ports": [int(value("sshd_port") if "sshd" in roles else value("ansible_port") or 22)],
        "allow": list(value("firewall_allow")) if "firewall" in roles else [],
    }
    if "proxy" in roles:
        told["allow"] += [{"port": str(value("proxy_port"))}, *([{"port": "80"}] if value("proxy_acme_directory") else [])]
    if not {*CONDA}.isdisjoint(roles):
        alone = {*CONDA}.intersection(roles) == {"jupyter"}
        told["conda_root"] = str(value("jupyter_conda_prefix" if alone else "conda_envs_conda_root"))
        told["channels"] = [str(channel) for channel in value("miniconda_allowlist_channels") or []]
    environments = [str(item["name"]) for item in value("conda_envs_environments") or []] if "conda_envs" in roles else []
    if "conda_envs" in roles:
        told["kernels_dir"] = str(value("conda_envs_kernels_dir"))
    if "jupyter" in roles:
        # JupyterLab has an environment of its own.
        environments.append("jupyter")
        told["jupyter_ports"] = sorted(port_of(str(name), value("jupyter_ports")) for name in value("jupyter_users") or [])
    if "jupyterhub" in roles:
        environments.append("jupyterhub")
    if "workbench" in roles:
        environments += ["nbstripout"] if value("workbench_nbstripout") else []
        told["linger"] = sorted(str(name) for name in value("workbench_linger") or [])
    return {**told, "environments": environments, "roles": sorted(roles)}
