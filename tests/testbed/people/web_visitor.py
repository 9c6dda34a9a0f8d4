# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody with a browser of their own at the lab's web door, who logs in at the institute or with a password."""

from __future__ import annotations

import html
import re
import typing as t
from urllib.parse import urljoin

import requests

from .jupyter_api import Jupyter

# Where the test's provider of OpenID Connect is, as JupyterHub says.
PROVIDER = ("localhost", 9400)
# What JupyterHub of the lab calls a browser's right to a JupyterLab.
COOKIE = "research-server-lab"


class Visitor:
    """`name` of the server, and the file with the certificate of who certified it. Each wait ends after `patience` seconds."""

    def __init__(self, name: str, authority: str, patience: float) -> None:
        self.name, self.authority, self.patience = name, authority, patience
        self.session = requests.Session()
        self.session.trust_env, self.session.verify = False, authority
        self.session.headers["Accept"] = "text/html"

    def get(self, path: str, **more: t.Any) -> requests.Response:
        return self.session.get(f"https://{self.name}{path}", timeout=self.patience, **more)

    def status(self, path: str, method: str = "GET", **more: t.Any) -> int:
        """Without following to where a page would lead, and as no page."""
        more["headers"] = {"Accept": "application/json", **more.get("headers", {})}
        request = requests.Request(method, f"https://{self.name}/", **more)
        prepared = self.session.prepare_request(request)
        prepared.url = f"https://{self.name}{path}"
        # For an address that is another one by now, the cookies of that.
        prepared.headers.pop("Cookie", None)
        prepared.headers["Cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        return self.session.send(prepared, timeout=self.patience, allow_redirects=False).status_code

    def reach_form(self, path: str = "/") -> requests.Response:
        """From a page of the lab to that of the institute."""
        page = self.get(path)
        button = re.search(r"href='(/hub/oauth_login[^']*)'|href=\"(/hub/oauth_login[^\"]*)\"", page.text)
        assert button, page.text
        form = self.get((button[1] or button[2]).replace("&amp;", "&"))
        assert form.url.startswith(f"http://{PROVIDER[0]}:{PROVIDER[1]}/"), form.url
        return form

    def say_who(self, form: requests.Response, name: str) -> requests.Response:
        """From the institute's page back to the lab. The last answer."""
        return self.session.post(form.url, data={"sub": name}, timeout=self.patience)

    def log_in(self, name: str, path: str = "/") -> requests.Response:
        return self.say_who(self.reach_form(path), name)

    def form(self, path: str = "/") -> tuple[str, str]:
        """Where a name and a password go, and the word without which nothing does."""
        page = self.get(path)
        form, word = (re.search(rf'{what}="([^"]*)"', page.text) for what in ("<form action", 'name="_xsrf" value'))
        assert form and word, page.text
        return urljoin(page.url, html.unescape(form[1])), word[1]

    def send(self, form: tuple[str, str], name: str, password: str, patience: float | None = None) -> requests.Response:
        address, word = form
        typed = {"_xsrf": word, "username": name, "password": password}
        return self.session.post(address, data=typed, timeout=patience or self.patience)

    def log_in_with(self, name: str, password: str, path: str = "/") -> requests.Response:
        """As somebody who types it. The last answer."""
        return self.send(self.form(path), name, password)

    def cookie(self, name: str, path: str | None = None) -> str:
        found = [cookie.value for cookie in self.session.cookies if cookie.name == name and path in (None, cookie.path)]
        return found[0] or "" if found else ""

    def lab(self, name: str) -> Jupyter:
        """The JupyterLab of somebody, with what a browser has after the login."""
        own = f"/user/{name}/"
        xsrf = self.cookie("_xsrf", own)
        cookies = {"_xsrf": xsrf, COOKIE: self.cookie(COOKIE), "jupyterhub-session-id": self.cookie("jupyterhub-session-id")}
        headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items()), "X-XSRFToken": xsrf}
        return Jupyter(f"https://{self.name}/user/{name}", "", self.patience, self.authority, headers=headers)
