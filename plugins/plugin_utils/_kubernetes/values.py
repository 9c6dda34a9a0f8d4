# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the chart of Zero to JupyterHub from a server's variables, and what has no counterpart there. Pure.

Written for the chart `jupyterhub` 4.4.0 (https://github.com/jupyterhub/zero-to-jupyterhub-k8s), and validated against its
`values.schema.yaml`. Private to this collection.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ...module_utils._jupyter.limits import ALL, resolve, size
from .._people import groups_of, present

CHART = "4.4.0"
Reader = Callable[[str], t.Any]
Data = dict[str, t.Any]

# Without any of these nobody can log in.
PROVIDER = ("client_id", "authorize_url", "token_url", "userdata_url")
LIMITS = ("memory_max", "memory_high", "cpu_quota", "tasks_max", "gpus")
# What a role says when nobody says anything.
UNSAID = {"memory_high": "infinity", "tasks_max": "15%"}
# The smallest CPU that Kubernetes hands out is a thousandth.
CPU_DIGITS = 3
_UNITS = "KMGT"
# The chart knows no limits of a person; KubeSpawner asks this hook before each start.
PEOPLE_LIMITS = """\
import z2jh


def limit(spawner):
    own = z2jh.get_config("custom.researchServer.limits", {}).get(spawner.user.name, {})
    for name, value in own.items():
        setattr(spawner, name, value)


c.KubeSpawner.pre_spawn_hook = limit
"""
NO_COUNTERPART = {
    "accounts_projects": "give them as volumes that many pods may write to (singleuser.storage.extraVolumes)",
    "jupyter_server_options": "put them into a file of the image (singleuser.extraFiles)",
    "jupyter_settings": "put them into a file of the image (singleuser.extraFiles)",
    "jupyter_shared_ports": "a pod has its ports for itself",
    "jupyter_unit_settings": "a pod is no unit of systemd",
}


class Wish(t.NamedTuple):
    """What a cluster needs to know and no server does."""

    host: str
    image: str
    tag: str
    command: str
    today: datetime.date
    https: str = "letsencrypt"
    contact_email: str = ""
    tls_secret: str = ""
    client_secret: tuple[str, str] = ("oauth", "client-secret")
    storage_class: str = ""
    storage_capacity: str = "10Gi"
    memory_guarantee: str = "1G"
    cpu_guarantee: float = 0.5
    gpu_resource: str = "nvidia.com/gpu"


def problems(value: Reader, wish: Wish) -> list[str]:
    """Why nobody could use what would be written."""
    missing = [f"jupyterhub_{name}" for name in PROVIDER if not value(f"jupyterhub_{name}")]
    found = []
    if missing:
        found.append(
            f"{', '.join(missing)}: found nothing; expected the provider (OpenID Connect) with which people log in; "
            "give them as for the role jupyterhub"
        )
    if not people(value, wish.today)[0]:
        found.append(
            "jupyterhub_users: found nobody who is present and has not expired; expected at least one person of "
            "accounts_researchers or accounts_administrators"
        )
    if wish.https == "letsencrypt" and not wish.contact_email:
        found.append("contact_email: found nothing; expected the address that Let's Encrypt writes to, or another 'https'")
    if wish.https == "secret" and not wish.tls_secret:
        found.append("tls_secret: found nothing; expected the name of the Secret with the certificate, or another 'https'")
    return found


def people(value: Reader, today: datetime.date) -> tuple[list[str], list[str]]:
    """(who may log in, who administers JupyterHub): those who have an account today."""
    administrators = _valid(value("accounts_administrators"), today)
    everybody = {**_valid(value("accounts_researchers"), today), **administrators}
    return sorted(name for name in set(value("jupyterhub_users") or ()) if name in everybody), sorted(administrators)


def _valid(entries: Sequence[Mapping[str, t.Any]] | None, today: datetime.date) -> dict[str, Mapping[str, t.Any]]:
    return {
        name: entry
        for name, entry in present(entries).items()
        if not entry.get("expires") or datetime.date.fromisoformat(str(entry["expires"])) > today
    }


def values(value: Reader, wish: Wish) -> tuple[Data, list[str]]:
    """The values, and notices of what they do not say."""
    allowed, administrators = people(value, wish.today)
    general, own, notices = _limits(value, wish, sorted({*allowed, *administrators}))
    idle = int(value("jupyter_stop_idle_after") or 0)
    hub: Data = {
        "config": {
            "JupyterHub": {"authenticator_class": "generic-oauth"},
            "GenericOAuthenticator": {
                **{name: str(value(f"jupyterhub_{name}")) for name in (*PROVIDER, "login_service", "username_claim")},
                "oauth_callback_url": f"https://{wish.host}/hub/oauth_callback",
                "scope": [str(item) for item in value("jupyterhub_scope")],
                "allowed_users": allowed,
                "admin_users": administrators,
                # Who has left is not let in because they once were.
                "allow_existing_users": False,
            },
        },
        # OAuthenticator reads it where no client_secret is configured.
        "extraEnv": {
            "OAUTH_CLIENT_SECRET": {"valueFrom": {"secretKeyRef": dict(zip(("name", "key"), wish.client_secret, strict=True))}}
        },
    }
    made: Data = {
        "hub": hub,
        "proxy": {"https": _https(wish)},
        "singleuser": {
            "image": {"name": wish.image, "tag": wish.tag},
            "cmd": wish.command,
            "defaultUrl": "/lab",
            "uid": 1000,
            "fsGid": 100,
            "memory": {"limit": general["mem_limit"], "guarantee": general["mem_guarantee"]},
            "cpu": {"limit": general["cpu_limit"], "guarantee": general["cpu_guarantee"]},
            "extraResource": {"limits": general["extra_resource_limits"], "guarantees": general["extra_resource_limits"]},
            # People's pods reach the internet and nothing of the cluster, as strangers reach nothing of theirs.
            "networkPolicy": {
                "enabled": True,
                "egressAllowRules": {"cloudMetadataServer": False, "nonPrivateIPs": True, "privateIPs": False},
            },
            "storage": {
                "type": "dynamic",
                "capacity": wish.storage_capacity,
                "homeMountPath": "/home/jovyan",
                **({"dynamic": {"storageClass": wish.storage_class}} if wish.storage_class else {}),
            },
        },
        "cull": {"enabled": idle > 0, **({"timeout": idle} if idle else {})},
    }
    if own:
        hub["extraConfig"] = {"researchServerLimits": PEOPLE_LIMITS}
        made["custom"] = {"researchServer": {"limits": own}}
    if idle:
        notices.append(
            "jupyter_stop_idle_after: a server stops a JupyterLab only when no kernel runs; a cluster ends every pod that was "
            f"idle for {idle} s, with its kernels"
        )
    notices += [f"{name}: has no counterpart; {way}" for name, way in NO_COUNTERPART.items() if value(name)]
    return made, notices


def _https(wish: Wish) -> Data:
    more: dict[str, Data] = {
        "letsencrypt": {"letsencrypt": {"contactEmail": wish.contact_email}},
        "secret": {"secret": {"name": wish.tls_secret}},
    }
    return {"enabled": True, "type": wish.https, "hosts": [wish.host], **more.get(wish.https, {})}


def _limits(value: Reader, wish: Wish, names: Sequence[str]) -> tuple[Data, dict[str, Data], list[str]]:
    """(those of all, what is different for a person, notices)."""
    given = {
        "general": {name: value(f"jupyter_{name}") for name in LIMITS},
        "groups": value("jupyter_group_limits") or {},
        "people": value("jupyter_user_limits") or {},
    }
    groups = groups_of(value)
    notices: dict[str, None] = {}
    general = _pod(given["general"], wish, notices)
    own = {}
    for name in names:
        pod = _pod(resolve(given, name, groups.get(name, ()), {}), wish, notices)
        if pod != general:
            own[name] = {key: limit for key, limit in pod.items() if limit != general[key]}
    return general, own, list(notices)


def written(size_in_bytes: int) -> str:
    """A size as JupyterHub reads it, where a K is 1024 as for systemd. As a number Helm would make 6.8e+10 of it."""
    power = next((power for power in range(len(_UNITS), 0, -1) if size_in_bytes % 1024**power == 0 and size_in_bytes), 0)
    return f"{size_in_bytes // 1024**power}{_UNITS[power - 1] if power else ''}"


def _pod(limits: Mapping[str, t.Any], wish: Wish, notices: dict[str, None]) -> Data:
    """What KubeSpawner calls them. Without a guarantee Kubernetes would keep the whole limit free for each."""
    memory, cpu, gpus = str(limits.get("memory_max") or ""), str(limits.get("cpu_quota") or ""), limits.get("gpus") or []
    for name, usual in UNSAID.items():
        if str(limits.get(name) or usual) != usual:
            notices[f"jupyter_{name} ({limits[name]}): has no counterpart; a pod has a limit, and no other"] = None
    if memory.endswith("%"):
        notices[f"jupyter_memory_max ({memory}): a share of a server has no counterpart; give a size, such as 64G"] = None
        memory = ""
    if ALL in gpus:
        notices["jupyter_gpus (all): has no counterpart, no GPU is asked for; a pod has its GPUs alone: give the numbers"] = None
        gpus = []
    limited = None if size(memory, 0) == float("inf") else int(size(memory, 0))
    wanted = int(size(wish.memory_guarantee, 0))
    cores = round(float(cpu.rstrip("%")) / 100, CPU_DIGITS) if cpu else None
    return {
        "mem_limit": None if limited is None else written(limited),
        "mem_guarantee": written(wanted if limited is None else min(wanted, limited)),
        "cpu_limit": cores,
        "cpu_guarantee": wish.cpu_guarantee if cores is None else min(wish.cpu_guarantee, cores),
        "extra_resource_limits": {wish.gpu_resource: len(gpus)} if gpus else {},
    }
