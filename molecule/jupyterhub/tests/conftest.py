# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who log in at the institute, as their browsers do."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import pytest
import requests
from people.jupyter_api import Jupyter

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
NAME = "lab.example.org"
PROVIDER = ("localhost", 9400)
PATIENCE = 180
COOKIE = "research-server-lab"


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env, self.session.verify = False, str(EPHEMERAL / "ca/ca.crt")
        self.session.headers["Accept"] = "text/html"

    def get(self, path, **more):
        return self.session.get(f"https://{NAME}{path}", timeout=PATIENCE, **more)

    def status(self, path, method="GET", **more):
        """Without following to where a page would lead, and as no page."""
        more["headers"] = {"Accept": "application/json", **more.get("headers", {})}
        request = requests.Request(method, f"https://{NAME}/", **more)
        prepared = self.session.prepare_request(request)
        prepared.url = f"https://{NAME}{path}"
        # For an address that is another one by now, the cookies of that.
        prepared.headers.pop("Cookie", None)
        prepared.headers["Cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        return self.session.send(prepared, timeout=PATIENCE, allow_redirects=False).status_code

    def log_in(self, name, path="/"):
        """From a page of the lab to that of the institute, and back. The last answer."""
        page = self.get(path)
        button = re.search(r"href='(/hub/oauth_login[^']*)'|href=\"(/hub/oauth_login[^\"]*)\"", page.text)
        assert button, page.text
        form = self.get((button[1] or button[2]).replace("&amp;", "&"))
        assert form.url.startswith("http://localhost:9400/"), form.url
        return self.session.post(form.url, data={"sub": name}, timeout=PATIENCE)

    def cookie(self, name, path=None):
        found = [cookie.value for cookie in self.session.cookies if cookie.name == name and path in (None, cookie.path)]
        return found[0] if found else ""

    def lab(self, name):
        """The JupyterLab of somebody, with what a browser has after the login."""
        own = f"/user/{name}/"
        xsrf = self.cookie("_xsrf", own)
        cookies = {"_xsrf": xsrf, COOKIE: self.cookie(COOKIE), "jupyterhub-session-id": self.cookie("jupyterhub-session-id")}
        headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items()), "X-XSRFToken": xsrf}
        return Jupyter(f"https://{NAME}/user/{name}", "", PATIENCE, str(EPHEMERAL / "ca/ca.crt"), headers=headers)


@pytest.fixture(scope="module", autouse=True)
def known(host):
    """The names lead to this host."""
    address = json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text())[host.backend.get_hostname()]
    asked = socket.getaddrinfo

    def answer(name, port, *arguments, **named):
        here = name == NAME or (name, port) == PROVIDER
        return asked(address if here else name, port, *arguments, **named)

    socket.getaddrinfo = answer
    yield address
    socket.getaddrinfo = asked


@pytest.fixture
def visitor():
    return Visitor


@pytest.fixture(scope="module")
def people(known):
    """Alice and Bob, who have logged in."""
    found = {name: Visitor() for name in ("alice", "bob")}
    for name, somebody in found.items():
        page = somebody.log_in(name)
        assert page.ok and page.url == f"https://{NAME}/user/{name}/lab", (page.status_code, page.url, page.text[:2000])
    return found
