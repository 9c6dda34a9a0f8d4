# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is told, from what a server is told. The types are those of the schema of the chart `jupyterhub` 4.4.0
(`jupyterhub/values.schema.yaml` of https://github.com/jupyterhub/zero-to-jupyterhub-k8s)."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._kubernetes.values import (
    NO_COUNTERPART,
    Wish,
    people,
    problems,
    values,
    written,
)

WISH = Wish(
    host="hub.lab.example",
    image="registry.lab.example/nlp",
    tag="0123456789ab",
    command="/opt/miniconda3/envs/jupyter/bin/jupyterhub-singleuser",
    today=datetime.date(2026, 11, 28),
    contact_email="ops@lab.example",
)
LAB: dict[str, t.Any] = {
    "accounts_administrators": [{"name": "ops"}, {"name": "former", "state": "absent"}],
    "accounts_researchers": [
        {"name": "ada"},
        {"name": "grace", "groups": ["students"]},
        {"name": "eve", "expires": "2026-11-28"},
    ],
    "accounts_login_group": "ssh-users",
    "accounts_projects": [],
    "jupyterhub_users": ["ada", "grace", "eve", "former", "stranger"],
    "jupyterhub_client_id": "lab",
    "jupyterhub_authorize_url": "https://id.lab.example/authorize",
    "jupyterhub_token_url": "https://id.lab.example/token",
    "jupyterhub_userdata_url": "https://id.lab.example/userinfo",
    "jupyterhub_login_service": "the lab's account",
    "jupyterhub_username_claim": "preferred_username",
    "jupyterhub_scope": ["openid"],
    "jupyter_memory_max": "infinity",
    "jupyter_memory_high": "infinity",
    "jupyter_cpu_quota": "",
    "jupyter_tasks_max": "15%",
    "jupyter_gpus": [],
    "jupyter_stop_idle_after": 0,
}
# Key of the chart -> type that its schema asks for, for every key that is written.
CHART: dict[str, tuple[type, ...]] = {
    "hub.config.JupyterHub.authenticator_class": (str,),
    "hub.config.GenericOAuthenticator": (dict,),
    "hub.extraEnv.OAUTH_CLIENT_SECRET.valueFrom.secretKeyRef": (dict,),
    "hub.extraConfig.researchServerLimits": (str,),
    "custom.researchServer.limits": (dict,),
    "proxy.https.enabled": (bool,),
    "proxy.https.type": (str,),
    "proxy.https.hosts": (list,),
    "proxy.https.letsencrypt.contactEmail": (str,),
    "proxy.https.secret.name": (str,),
    "singleuser.image.name": (str,),
    "singleuser.image.tag": (str,),
    "singleuser.cmd": (str,),
    "singleuser.defaultUrl": (str,),
    "singleuser.uid": (int,),
    "singleuser.fsGid": (int,),
    "singleuser.memory.limit": (str, type(None)),
    "singleuser.memory.guarantee": (str, type(None)),
    "singleuser.cpu.limit": (float, type(None)),
    "singleuser.cpu.guarantee": (float, type(None)),
    "singleuser.extraResource.limits": (dict,),
    "singleuser.extraResource.guarantees": (dict,),
    "singleuser.networkPolicy.enabled": (bool,),
    "singleuser.networkPolicy.egressAllowRules.cloudMetadataServer": (bool,),
    "singleuser.networkPolicy.egressAllowRules.nonPrivateIPs": (bool,),
    "singleuser.networkPolicy.egressAllowRules.privateIPs": (bool,),
    "singleuser.storage.type": (str,),
    "singleuser.storage.capacity": (str,),
    "singleuser.storage.homeMountPath": (str,),
    "singleuser.storage.dynamic.storageClass": (str,),
    "cull.enabled": (bool,),
    "cull.timeout": (int,),
}


def made(wish: Wish = WISH, **variables: t.Any) -> tuple[dict[str, t.Any], list[str]]:
    return values({**LAB, **variables}.get, wish)


def strange(content: t.Any, place: str = "") -> list[str]:
    """Paths that the chart does not have, or with another type."""
    if place in CHART:
        return [] if type(content) in CHART[place] else [place]
    if not isinstance(content, dict):
        return [place]
    return [found for key, item in content.items() for found in strange(item, f"{place}.{key}".lstrip("."))]


@pytest.mark.parametrize(
    "wish", [WISH, WISH._replace(https="secret", tls_secret="lab-tls"), WISH._replace(https="offload", storage_class="ssd")]
)
def test_all_that_is_written_is_the_charts(wish: Wish) -> None:
    limits = {"ada": {"memory_max": "8G", "cpu_quota": "250%", "gpus": [0, 1]}}
    assert strange(made(wish)[0]) == []
    assert strange(made(wish, jupyter_user_limits=limits, jupyter_stop_idle_after=60)[0]) == []


def test_only_people_with_an_account_today_log_in() -> None:
    assert people(LAB.get, WISH.today) == (["ada", "grace"], ["ops"])
    assert people(LAB.get, WISH.today - datetime.timedelta(days=1)) == (["ada", "eve", "grace"], ["ops"])


def test_the_secret_is_named_and_not_told() -> None:
    told = made(jupyterhub_client_secret="hidden-word")[0]
    assert "hidden-word" not in str(told)
    reference = told["hub"]["extraEnv"]["OAUTH_CLIENT_SECRET"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "oauth", "key": "client-secret"}


def test_limits_of_a_group_and_a_person_go_over_the_general_ones() -> None:
    told = made(
        jupyter_memory_max="64G",
        jupyter_cpu_quota="800%",
        jupyter_gpus=[0],
        jupyter_group_limits={"students": {"memory_max": "512M", "gpus": []}},
        jupyter_user_limits={"ops": {"memory_max": "infinity", "cpu_quota": "25%"}},
    )[0]
    server = told["singleuser"]
    assert server["memory"] == {"limit": "64G", "guarantee": "1G"}
    assert server["cpu"] == {"limit": 8.0, "guarantee": 0.5}
    assert server["extraResource"]["limits"] == {"nvidia.com/gpu": 1}
    assert told["custom"]["researchServer"]["limits"] == {
        "grace": {"mem_limit": "512M", "mem_guarantee": "512M", "extra_resource_limits": {}},
        "ops": {"mem_limit": None, "cpu_limit": 0.25, "cpu_guarantee": 0.25},
    }


def test_a_member_of_a_project_has_the_limits_of_its_group() -> None:
    told = made(
        accounts_projects=[{"name": "genome", "members": ["ada"]}], jupyter_group_limits={"genome": {"cpu_quota": "100%"}}
    )
    assert told[0]["custom"]["researchServer"]["limits"]["ada"]["cpu_limit"] == 1.0


class Spawner:
    """As much of KubeSpawner as the limits touch."""

    def __init__(self, name: str) -> None:
        self.user = type("User", (), {"name": name})
        self.mem_limit = "64G"


def test_the_hub_gives_a_person_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    told = made(jupyter_user_limits={"ada": {"memory_max": "2G"}})[0]
    limits = told["custom"]["researchServer"]["limits"]
    kube = type("KubeSpawner", (), {})
    module = type("z2jh", (), {"get_config": staticmethod(lambda key, default: limits if key.endswith(".limits") else default)})
    monkeypatch.setitem(__import__("sys").modules, "z2jh", t.cast("t.Any", module))
    exec(told["hub"]["extraConfig"]["researchServerLimits"], {"c": type("c", (), {"KubeSpawner": kube})})
    ada, grace = Spawner("ada"), Spawner("grace")
    for spawner in (ada, grace):
        vars(kube)["pre_spawn_hook"](spawner)
    assert (ada.mem_limit, grace.mem_limit) == ("2G", "64G")


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (1000, "1000"), (1 << 10, "1K"), (1536 << 20, "1536M"), (1 << 50, "1024T")])
def test_a_size_is_written_as_jupyterhub_reads_it(size: int, text: str) -> None:
    assert written(size) == text


def test_who_ends_pods() -> None:
    assert made()[0]["cull"] == {"enabled": False}
    told, notices = made(jupyter_stop_idle_after=28800)
    assert told["cull"] == {"enabled": True, "timeout": 28800}
    assert any("with its kernels" in line for line in notices)


@pytest.mark.parametrize(
    "variables",
    [
        {"jupyter_memory_max": "25%"},
        {"jupyter_memory_high": "8G"},
        {"jupyter_tasks_max": "100"},
        {"jupyter_gpus": ["all"]},
        *({name: {"some": "thing"}} for name in NO_COUNTERPART if name != "accounts_projects"),
        {"accounts_projects": [{"name": "genome"}]},
    ],
    ids=str,
)
def test_what_has_no_counterpart_is_said(variables: dict[str, t.Any]) -> None:
    notices = made(**variables)[1]
    assert len(notices) == 1
    assert notices[0].startswith(next(iter(variables)))


def test_nothing_is_said_where_all_is_told() -> None:
    assert made()[1] == []


@pytest.mark.parametrize(
    ("variables", "wish", "found"),
    [
        ({}, {}, None),
        ({"jupyterhub_token_url": ""}, {}, "jupyterhub_token_url: found nothing"),
        ({"jupyterhub_users": ["stranger"]}, {}, "jupyterhub_users: found nobody"),
        ({}, {"contact_email": ""}, "contact_email: found nothing"),
        ({}, {"https": "secret"}, "tls_secret: found nothing"),
        ({}, {"https": "offload", "contact_email": ""}, None),
    ],
)
def test_what_nobody_could_use_is_refused(variables: dict[str, t.Any], wish: dict[str, t.Any], found: str | None) -> None:
    told = problems({**LAB, **variables}.get, WISH._replace(**wish))
    assert [line[: len(found)] for line in told] == [found] if found else told == []
