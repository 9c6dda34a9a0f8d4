# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `proxy` must satisfy together, and its certificate. Private to this collection."""

from __future__ import annotations

import datetime
import re
import types
import typing as t
from collections.abc import Mapping

from ...module_utils._proxy import acme, sites


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    names = [str(name) for name in variables.get("proxy_names", [])]
    passwords, people = variables.get("proxy_passwords", {}), variables.get("proxy_people", [])
    problems = sites.name_problems(names) + sites.user_problems(passwords, people)
    problems += sites.revoked_problems(variables.get("proxy_revoked", []))
    port = int(variables.get("proxy_port", 443))
    known = {"basic": passwords, "certificate": people}
    listens = [port, acme.HTTP] if variables.get("proxy_acme_directory") else [port]
    problems += sites.problems(variables.get("proxy_sites", []), known, listens)
    if not 1 <= port <= 65535:
        problems.append(f"proxy_port: found {port}; expected a TCP port, from 1 to 65535; correct it")
    if int(variables.get("proxy_connections_per_source", 0)) < 0:
        problems.append(
            f"proxy_connections_per_source: found {variables['proxy_connections_per_source']}; expected a number of connections, "
            "or 0 for any number; correct it"
        )
    own, key = (str(variables.get(f"proxy_certificate{what}", "")) for what in ("", "_key"))
    problems += _acme(variables)
    return problems + (_certificate().problems(own, key, names, _now()) if own or key else [])


def _acme(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    directory = str(variables.get("proxy_acme_directory", ""))
    if not directory:
        return
    if not re.fullmatch(r"https://[^\s/]+(/\S*)?", directory):
        yield (
            f"proxy_acme_directory: found '{directory}'; expected an address of https, such as "
            "https://acme-v02.api.letsencrypt.org/directory; correct it"
        )
    if variables.get("proxy_certificate"):
        yield "proxy_acme_directory: found it beside proxy_certificate; expected one of them; take the other out"
    if int(variables.get("proxy_port", 443)) == acme.HTTP:
        yield "proxy_port: found 80, where the authority of proxy_acme_directory comes to look; expected another; correct it"


def warnings(variables: Mapping[str, t.Any]) -> list[str]:
    own = str(variables.get("proxy_certificate", ""))
    return _certificate().warnings(own, _now()) if own else []


def _certificate() -> types.ModuleType:
    from .._proxy import certificate  # noqa: PLC0415  it costs 50 ms of every run, and few labs have one from elsewhere

    return certificate


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
