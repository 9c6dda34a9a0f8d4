# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people at once at their browsers: they log in, draw a plot, and open a terminal. The pictures are kept."""

from __future__ import annotations

import json

import pytest
from people.jupyter_page import notebook, open_terminal, run_cell, tell_who

NAME = "lab.example.org"
PLOT = """import getpass, numpy
from IPython.display import SVG, display
x = numpy.linspace(0, 400, 200)
points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, 60 - 50 * numpy.sin(x / 30)))
line = f'<polyline fill="none" stroke="blue" points="{points}"/>'
display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="120">{line}</svg>'))
print("drawn by", getpass.getuser())"""


def put_notebook(host, name):
    path = f"/home/{name}/hub.ipynb"
    host.check_output("printf %%s %s > %s && chown %s %s", json.dumps(notebook(PLOT)), path, name, path)


@pytest.mark.one_release
def test_two_people_at_browsers(host, two_at_browsers):
    for person in two_at_browsers:
        put_notebook(host, person.name)
        # A link from elsewhere, to be followed after the login.
        person.browser.open(f"https://{NAME}/user/{person.name}/lab/tree/hub.ipynb?reset")
        person.browser.see("a.btn-jupyter", "the institute")
        person.picture("hub-login")
        person.browser.click("a.btn-jupyter")
        person.browser.click(f"button[value={person.name}]")
    for person in two_at_browsers:
        run_cell(person.browser)
    for person in two_at_browsers:
        person.browser.see(".jp-RenderedSVG img")
        person.browser.see(".jp-OutputArea", f"drawn by {person.name}")
        person.picture("hub-notebook")
        person.browser.open(f"https://{NAME}/user/{person.name}/lab/workspaces/terminal?reset")
        open_terminal(person.browser)
    for person in two_at_browsers:
        said = host.file(f"/home/{person.name}/hub.txt")
        tell_who(person.browser, said)
        assert said.content_string == f"here is {person.name}\n"
        person.picture("hub-terminal")
