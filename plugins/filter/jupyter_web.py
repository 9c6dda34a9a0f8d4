# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `jupyter_web`."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping

DOCUMENTATION = r"""
name: jupyter_web
short_description: How browsers reach people's JupyterLabs through the role proxy
version_added: 0.1.0
author: openlab.research_server maintainers (@openlab)
description:
  - Tells what a JupyterLab has to know of the web server in front of it.
positional: names, port
options:
  _input:
    description: Sites as in C(proxy_sites), with C(to) and C(auth). Those with C(to=jupyter) count.
    type: list
    elements: dict
    required: true
  names:
    description: The server's names, as in C(proxy_names).
    type: list
    elements: str
    required: true
  port:
    description: The TCP port of HTTPS, as in C(proxy_port).
    type: int
    default: 443
"""

EXAMPLES = r"""
- name: Print the addresses of the web door
  ansible.builtin.debug:
    msg: "{{ (proxy_sites | openlab.research_server.jupyter_web(proxy_names)).addresses }}"
"""

RETURN = r"""
_value:
  description:
    - C(addresses) are the origins that people's pages come from; none without such a site.
    - C(login) is true if one of the sites asks the hub who somebody is.
    - C(options) are those of Jupyter Server, by their full names. The check of C(Host) goes on, with the server's names as well.
      What the web server says of a visitor only decides whether a cookie is for HTTPS alone.
  type: dict
"""


def jupyter_web(sites: Iterable[Mapping[str, t.Any]] | None, names: list[str], port: int | str = 443) -> dict[str, t.Any]:
    ways = [site.get("auth") for site in sites or () if site.get("to") == "jupyter"]
    if not ways:
        return {"addresses": [], "login": False, "options": {}}
    login = "hub" in ways
    options = {"ServerApp.local_hostnames": ["localhost", *names], "ServerApp.trust_xheaders": True}
    if login:
        options["ServerApp.identity_provider_class"] = "__main__.TwoDoors"
    behind = "" if int(port) == 443 else f":{port}"
    return {"addresses": [f"https://{name}{behind}" for name in names], "login": login, "options": options}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, t.Any]]]:
        return {"jupyter_web": jupyter_web}
