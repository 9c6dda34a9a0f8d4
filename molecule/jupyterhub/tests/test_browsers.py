# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people at once at their browsers: they log in, draw a plot, and open a terminal. The pictures are kept."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from people.browser import browser
from people.jupyter_page import notebook, open_terminal, run_cell, type_line
from waiting import wait_until

PICTURES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache/pictures")
NAME, PATIENCE = "lab.example.org", 180
PLOT = """import getpass, numpy
from IPython.display import SVG, display
x = numpy.linspace(0, 400, 200)
points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, 60 - 50 * numpy.sin(x / 30)))
line = f'<polyline fill="none" stroke="blue" points="{points}"/>'
display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="120">{line}</svg>'))
print("drawn by", getpass.getuser())"""


class Person:
    def __init__(self, stack, name, profile, address):
        self.name = name
        rules = f"--host-resolver-rules=MAP {NAME} {address}, MAP localhost:9400 {address}:9400"
        self.browser = stack.enter_context(browser(profile, PATIENCE, rules, "--ignore-certificate-errors"))

    def picture(self, of):
        self.browser.picture(PICTURES / f"{of}-{self.name}.png")


def put_notebook(host, name):
    path = f"/home/{name}/hub.ipynb"
    host.check_output("printf %%s %s > %s && chown %s %s", json.dumps(notebook(PLOT)), path, name, path)


@pytest.mark.one_release
def test_two_people_at_browsers(host, known, chromium, tmp_path_factory):
    with ExitStack() as stack:
        two = [Person(stack, name, tmp_path_factory.mktemp(name), known) for name in ("alice", "bob")]
        for person in two:
            put_notebook(host, person.name)
            # A link from elsewhere, to be followed after the login.
            person.browser.open(f"https://{NAME}/user/{person.name}/lab/tree/hub.ipynb?reset")
            person.browser.see("a.btn-jupyter", "the institute")
            person.picture("hub-login")
            person.browser.click("a.btn-jupyter")
            person.browser.click(f"button[value={person.name}]")
        for person in two:
            run_cell(person.browser)
        for person in two:
            person.browser.see(".jp-RenderedSVG img")
            person.browser.see(".jp-OutputArea", f"drawn by {person.name}")
            person.picture("hub-notebook")
            person.browser.open(f"https://{NAME}/user/{person.name}/lab/workspaces/terminal?reset")
            open_terminal(person.browser)
        for person in two:
            type_line(person.browser, "echo here is $(id -un) | tee hub.txt")
            said = host.file(f"/home/{person.name}/hub.txt")
            wait_until(lambda at=said: at.exists and at.content_string, PATIENCE)
            assert said.content_string == f"here is {person.name}\n"
            person.picture("hub-terminal")
