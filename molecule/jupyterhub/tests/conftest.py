# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who log in at the institute, or with a password, as their browsers do."""

from __future__ import annotations

import html
import json
import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from people.browser import browser
from people.jupyter_api import Jupyter

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PICTURES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache/pictures")
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

    def form(self, path="/"):
        """Where a name and a password go, and the word without which nothing does."""
        page = self.get(path)
        form, word = (re.search(rf'{what}="([^"]*)"', page.text) for what in ("<form action", 'name="_xsrf" value'))
        assert form and word, page.text
        return urljoin(page.url, html.unescape(form[1])), word[1]

    def send(self, form, name, password, patience=PATIENCE):
        address, word = form
        return self.session.post(address, data={"_xsrf": word, "username": name, "password": password}, timeout=patience)

    def log_in_with(self, name, password, path="/"):
        """As somebody who types it. The last answer."""
        return self.send(self.form(path), name, password)

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


class Person:
    """Somebody at a window. The pictures are kept."""

    def __init__(self, stack, name, profile, address):
        self.name = name
        rules = f"--host-resolver-rules=MAP {NAME} {address}, MAP localhost:9400 {address}:9400"
        self.browser = stack.enter_context(browser(profile, PATIENCE, rules, "--ignore-certificate-errors"))

    def picture(self, of):
        self.browser.picture(PICTURES / f"{of}-{self.name}.png")


@pytest.fixture
def two_at_browsers(known, chromium, tmp_path_factory):
    """Alice and Bob, each at a browser of their own."""
    with ExitStack() as stack:
        yield [Person(stack, name, tmp_path_factory.mktemp(name), known) for name in ("alice", "bob")]


@pytest.fixture(scope="module")
def people(known):
    """Alice and Bob, who have logged in."""
    found = {name: Visitor() for name in ("alice", "bob")}
    for name, somebody in found.items():
        page = somebody.log_in(name)
        assert page.ok and page.url == f"https://{NAME}/user/{name}/lab", (page.status_code, page.url, page.text[:2000])
    return found
