# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who log in at the institute, or with a password, as their browsers do."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from hosts.network import steady
from people.browser import browser
from people.server_name import leading
from people.web_visitor import PROVIDER, Visitor

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PICTURES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache/pictures")
NAME = "lab.example.org"
PATIENCE = 180


def newcomer():
    """Somebody who has not logged in yet."""
    return Visitor(NAME, str(EPHEMERAL / "ca/ca.crt"), PATIENCE)


@pytest.fixture(scope="module", autouse=True)
def known(host):
    """The names lead to this host."""
    address = json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text())[host.backend.get_hostname()]
    provider, port = PROVIDER
    with leading(NAME, address), leading(provider, address, port):
        yield address


@pytest.fixture
def visitor():
    return newcomer


class Person:
    """Somebody at a window. The pictures are kept."""

    def __init__(self, stack, name, profile, address):
        self.name = name
        rules = f"--host-resolver-rules=MAP {NAME} {address}, MAP localhost:9400 {address}:9400"
        self.browser = stack.enter_context(browser(profile, PATIENCE, rules, "--ignore-certificate-errors", through=steady()))

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
    found = {name: newcomer() for name in ("alice", "bob")}
    for name, somebody in found.items():
        page = somebody.log_in(name)
        assert page.ok and page.url == f"https://{NAME}/user/{name}/lab", (page.status_code, page.url, page.text[:2000])
    return found
