#!/usr/bin/env python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's picture, taken anew: ada at a browser, at the web door of a demo that is up (`make demo DEMO_WEB=1`).

usage: . tests/env.sh && python tests/demo/picture.py
"""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

import lab
import web_door
from debian_packages import need
from people import browser_certificates
from people.browser import browser
from people.jupyter_page import notebook, run_cell
from proof import jupyter_of, told
from shell import ROOT

PICTURE = ROOT / "docs" / "images" / "web-demo.png"
WIDTH, HEIGHT, SECONDS = 1280, 800, 180
FILE = "waves.ipynb"
CODE = """\
import getpass, socket
import numpy as np
from IPython.display import SVG

x = np.linspace(0, 6 * np.pi, 600)
waves = {
    "teal": np.sin(x) * np.exp(-x / 9),
    "orangered": np.cos(2 * x) * np.exp(-x / 6),
    "slateblue": np.sin(3 * x) / (1 + x),
}
shown = '<path d="M40 10V220M40 115H730" stroke="grey" fill="none"/>'
for colour, y in waves.items():
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(40 + 36 * x, 115 - 100 * y))
    shown += f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
print(getpass.getuser(), "on", socket.gethostname(), "with numpy", np.__version__)
SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="740" height="230">{shown}</svg>')"""


def take(host: lab.Host, home: Path) -> None:
    """`home`: the browser's."""
    person = lab.RESEARCHER
    content = base64.b64encode(json.dumps(notebook(CODE, lab.ENVIRONMENT)).encode()).decode()
    told(host, f"echo {content} | base64 -d > {FILE}")
    browser_certificates.trust(home, web_door.AUTHORITY)
    page = web_door.page(person)
    with browser(home, SECONDS, f"--host-resolver-rules=MAP {web_door.NAME} {host.address}") as ada:
        ada.do("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
        # A page whose own address has a password in it may fetch nothing (Fetch standard): it is given beforehand.
        ada.open(f"{page.replace('://', f'://{person}:{web_door.password(person)}@')}/api")
        ada.see("body", "version")
        ada.open(f"{page}/lab/tree/{FILE}?reset&token={jupyter_of(host).token}")
        run_cell(ada, lab.ENVIRONMENT)
        ada.see(".jp-OutputArea-output", f"{person} on {host.name}")
        ada.see(".jp-RenderedSVG img")
        ada.click('[data-command="docmanager:save"]')
        ada.see("#jp-main-dock-panel .lm-TabBar-tab:not(.jp-mod-dirty)", FILE)
        ada.picture(PICTURE)


def main() -> None:
    need("chromium", "chromium")
    with tempfile.TemporaryDirectory() as home:
        take(lab.known_hosts()[-1], Path(home))


if __name__ == "__main__":
    main()
