# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `jupyterhub` must satisfy, and its lock. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...module_utils._conda.errors import CondaEnvError
from ...module_utils._conda.specification import Settings, Specification, parse
from .jupyter import NAME
from .locks import architecture, check_lock, ignored

ADDRESSES = ("authorize", "token", "userdata")


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do. None has the secret in it."""
    problems = [
        f"jupyterhub_users: found {name!r}; expected login names of people; correct it, or take it out"
        for name in variables.get("jupyterhub_users", [])
        if name == "root" or not NAME.fullmatch(str(name))
    ]
    problems += _database(variables)
    problems += _environment(variables)
    return problems + (_unasked if variables.get("jupyterhub_login") == "pam" else _provider)(variables)


def warnings(variables: Mapping[str, t.Any]) -> list[str]:
    if variables.get("jupyterhub_lock_policy") != "prefer":
        return []
    return ignored("jupyterhub", _lock(variables), _specification(variables), Settings(), architecture(variables))


def _environment(variables: Mapping[str, t.Any]) -> list[str]:
    """What is wrong with JupyterHub's own environment."""
    try:
        policy = ("jupyterhub_lock_policy", str(variables.get("jupyterhub_lock_policy", "ignore")))
        check_lock(_lock(variables), _specification(variables), policy, Settings(), architecture(variables))
    except CondaEnvError as error:
        return [f"jupyterhub_packages: {error.message('jupyterhub')}".replace("\n", " ")]
    return []


def _specification(variables: Mapping[str, t.Any]) -> Specification:
    made_of = variables.get("jupyterhub_packages", ["jupyterhub"])
    return parse({"dependencies": made_of}, {}, tuple(variables.get("jupyterhub_channels", ["conda-forge"])))


def _lock(variables: Mapping[str, t.Any]) -> Path | None:
    return Path(variables["jupyterhub_lock"]) if variables.get("jupyterhub_lock") else None


def _database(variables: Mapping[str, t.Any]) -> list[str]:
    """No sentence has the address in it: in a wrong one there may be a password."""
    address = str(variables.get("jupyterhub_database_url", ""))
    if not address:
        alone = variables.get("jupyterhub_database_password")
        told = "found one without jupyterhub_database_url; expected both; set the address, or take it out"
        return [f"jupyterhub_database_password: {told}"] if alone else []
    try:
        parts = urlsplit(address)
        if parts.scheme.partition("+")[0] == "postgresql" and len(parts.path) > 1 and not _has_password(address):
            return []
    except ValueError:
        pass
    return [
        "jupyterhub_database_url: expected the address of a PostgreSQL database without a password in it, such as "
        "'postgresql+psycopg://jupyterhub@db.example.org/jupyterhub'; correct it, and put the password into "
        "jupyterhub_database_password"
    ]


def _has_password(address: str) -> bool:
    """As SQLAlchemy reads it (sqlalchemy.engine.url): a '/', '?' or '#' ends no password, and a '#' no query."""
    beside_scheme = address.partition(":")[2]
    return ":" in beside_scheme.rpartition("@")[0] or "password" in unquote(address.partition("?")[2]).lower()


def _unasked(variables: Mapping[str, t.Any]) -> list[str]:
    """Whoever has written it down may believe that it is asked."""
    names = ("jupyterhub_client_id", "jupyterhub_client_secret", *(f"jupyterhub_{name}_url" for name in ADDRESSES))
    return [
        f"{name}: found a value with 'jupyterhub_login: pam', by which no provider is asked; expected none; take it out, or set "
        "'jupyterhub_login: oidc'"
        for name in names
        if str(variables.get(name, "")).strip()
    ]


def _provider(variables: Mapping[str, t.Any]) -> list[str]:
    problems = [
        f"{name}: found nothing; expected what the provider has given you; set it, or 'jupyterhub_login: pam' for passwords of "
        "people's accounts"
        for name in ("jupyterhub_client_id", "jupyterhub_client_secret")
        if not str(variables.get(name, "")).strip()
    ]
    for name in ADDRESSES:
        variable = f"jupyterhub_{name}_url"
        address = str(variables.get(variable, ""))
        if not _safe(address):
            problems.append(
                f"{variable}: found '{address}'; expected an address of https, such as https://login.example.org/oauth2/{name}: "
                "whoever can read what goes there can log in as anybody; correct it"
            )
    return problems


def _safe(address: str) -> bool:
    """HTTPS, or a provider on the host itself."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or local) and not any(sign.isspace() for sign in address)
