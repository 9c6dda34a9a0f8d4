# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a researcher can do by the web door, and who does not come in; tried from outside, with the lab's authority as the only one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests
import web_door
from lab import ENVIRONMENT, RESEARCHER, Host
from people.jupyter_api import Jupyter
from people.server_name import leading
from proof import SECONDS, jupyter_of
from requests.auth import HTTPBasicAuth

PAGE = web_door.page(RESEARCHER)
COLLEAGUE = next(person for person in web_door.PEOPLE if person != RESEARCHER)


@contextmanager
def visitor(host: Host, name: str = "") -> Iterator[requests.Session]:
    """A browser that knows the server's name and the lab's authority, and the password of who has a name."""
    with leading(web_door.NAME, host.address), requests.Session() as session:
        session.trust_env, session.verify = False, str(web_door.AUTHORITY)
        session.auth = HTTPBasicAuth(name, web_door.password(name)) if name else None
        yield session


def computes_in_jupyter_by_https(host: Host) -> str:
    with visitor(host, RESEARCHER) as ada:
        page = ada.get(f"{PAGE}/lab", params={"token": jupyter_of(host).token}, timeout=SECONDS)
        assert page.ok and "JupyterLab" in page.text, f"{page.status_code} {page.text[:500]}"
        # From here on cookies say who it is, as in a browser.
        headers = {
            "Authorization": str(page.request.headers["Authorization"]),
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in ada.cookies),
            "X-XSRFToken": str(ada.cookies["_xsrf"]),
        }
        theirs = Jupyter(PAGE, "", SECONDS, str(web_door.AUTHORITY), headers=headers)
        who = theirs.execute(ENVIRONMENT, "import getpass; print(getpass.getuser())").strip()
    assert who == RESEARCHER, who
    return f"the kernel '{ENVIRONMENT}' answers at {PAGE}/, without a tunnel: it runs as {who}"


def https_wants_a_password(host: Host) -> str:
    with visitor(host) as stranger:
        status = stranger.get(f"{PAGE}/lab", params={"token": jupyter_of(host).token}, timeout=SECONDS).status_code
    assert status == 401, status
    return "by HTTPS without a password, even with the token: 401"


def https_wants_her_own_password(host: Host) -> str:
    with visitor(host, COLLEAGUE) as grace:
        own = grace.get(f"{web_door.page(COLLEAGUE)}/api", timeout=SECONDS).status_code
        hers = grace.get(f"{PAGE}/api", timeout=SECONDS).status_code
    assert (own, hers) == (200, 401), (own, hers)
    return f"with {COLLEAGUE}'s password: {COLLEAGUE}'s JupyterLab answers, {RESEARCHER}'s says 401"


def https_wants_the_token_too(host: Host) -> str:
    with visitor(host, RESEARCHER) as ada:
        status = ada.get(f"{PAGE}/api/kernels", timeout=SECONDS).status_code
    assert status == 403, status
    return "with the password, without the token: JupyterLab answers 403"


PROOFS: tuple[Callable[[Host], str], ...] = (
    computes_in_jupyter_by_https,
    https_wants_a_password,
    https_wants_her_own_password,
    https_wants_the_token_too,
)
