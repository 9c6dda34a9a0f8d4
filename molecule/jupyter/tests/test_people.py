# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people at their browsers at the same time, each through a tunnel of their own. Pictures stay in .cache/pictures."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from people.browser import browser
from people.jupyter_api import Jupyter, wait_until_answers
from people.jupyter_page import notebook, open_terminal, run_cell, see_kernel, tell_who
from people.researcher import login_of, port_of, token_of
from people.ssh_tunnel import tunnel
from waiting import wait_until

pytestmark = [pytest.mark.one_release, pytest.mark.thorough]
PICTURES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache/pictures")
PEOPLE = ("alice", "bob")
PATIENCE = 180
CODE = """import getpass, numpy
from IPython.display import SVG
waves = numpy.sin(numpy.linspace(0, 12.6, 400))
points = " ".join(f"{x},{60 - 50 * y:.1f}" for x, y in enumerate(waves))
print("ran as", getpass.getuser(), "with numpy", numpy.__version__)
line = f'<polyline points="{points}" fill="none" stroke="teal"/>'
SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="120">{line}</svg>')"""
MEBIBYTES = 200


class Person:
    """Somebody with a tunnel and a browser."""

    def __init__(self, stack, host, name, profile):
        self.name = name
        local = stack.enter_context(tunnel(login_of(host, name), port_of(host, name)))
        self.jupyter = Jupyter(f"http://127.0.0.1:{local}", token_of(host, name))
        wait_until_answers(self.jupyter)
        self.browser = stack.enter_context(browser(profile, PATIENCE))

    def open(self, place):
        self.browser.open(f"{self.jupyter.url}/lab{place}?reset&token={self.jupyter.token}")

    def put(self, path, content):
        headers = {"Authorization": f"token {self.jupyter.token}"}
        requests.put(f"{self.jupyter.url}/api/contents/{path}", json=content, headers=headers, timeout=60).raise_for_status()

    def saved(self, path):
        return json.dumps(self.jupyter.get(f"/api/contents/{path}")["content"])

    def picture(self, of):
        self.browser.picture(PICTURES / f"{of}-{self.name}.png")


@pytest.fixture(scope="module")
def two(host, chromium, tmp_path_factory):
    with ExitStack() as stack:
        yield [Person(stack, host, name, tmp_path_factory.mktemp(name)) for name in PEOPLE]


def test_a_cell_with_numpy_and_a_plot(two):
    for person in two:
        person.put("waves.ipynb", {"type": "notebook", "content": notebook(CODE)})
        person.open("/tree/waves.ipynb")
    for person in two:
        run_cell(person.browser)
    for person in two:
        person.browser.see(".jp-OutputArea-output", f"ran as {person.name} with numpy 2")
        wait_until(lambda at=person: at.browser.value("document.querySelector('.jp-RenderedSVG') !== null"), PATIENCE)
        person.picture("notebook")
        person.browser.click('[data-command="docmanager:save"]')
        wait_until(lambda at=person: f"ran as {at.name}" in at.saved("waves.ipynb"), PATIENCE)


def test_a_terminal(host, two):
    for person in two:
        person.open("/workspaces/terminal")
        open_terminal(person.browser)
    for person in two:
        said = host.file(f"/home/{person.name}/terminal.txt")
        tell_who(person.browser, said)
        assert said.content_string == f"here is {person.name}\n"
        person.picture("terminal")


def test_a_large_upload(host, two, tmp_path):
    alice, bob = two
    large = tmp_path / "large.bin"
    digest = hashlib.sha256()
    with large.open("wb") as file:
        for _mebibyte in range(MEBIBYTES):
            block = os.urandom(1024**2)
            digest.update(block)
            file.write(block)
    alice.open("/workspaces/upload")
    alice.browser.see(".jp-LauncherCard")
    alice.browser.choose_file('[title^="Upload Files"]', large)
    alice.browser.see(".jp-Dialog", "200 MB")
    alice.browser.click(".jp-Dialog .jp-mod-accept")
    wait_until(lambda: host.file("/home/alice/large.bin").exists, PATIENCE)
    assert bob.jupyter.execute("lab", "print(6 * 7)").strip() == "42", "nobody waits for her"
    wait_until(lambda: host.file("/home/alice/large.bin").size == large.stat().st_size, 3 * PATIENCE)
    wait_until(lambda: host.file("/home/alice/large.bin").sha256sum == digest.hexdigest(), PATIENCE)
    alice.picture("upload")
    host.check_output("rm /home/alice/large.bin")


def test_after_sleep_the_notebook_is_as_it_was(host, two):
    for person in two:
        person.open("/tree/waves.ipynb")
        person.browser.see(".jp-OutputArea-output", f"ran as {person.name}")
    host.check_output("systemctl stop jupyter@alice jupyter@bob")
    for person in two:
        person.open("/tree/waves.ipynb")
    for person in two:
        person.browser.see(".jp-OutputArea-output", f"ran as {person.name}")
        see_kernel(person.browser)
        person.picture("woken")
        assert host.service(f"jupyter@{person.name}").is_running
