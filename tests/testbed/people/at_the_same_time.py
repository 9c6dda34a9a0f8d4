# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several people ask of their JupyterLabs at the same time, by whichever door, and a web server in between may spoil."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from .jupyter_api import Jupyter

MEBIBYTES = 200
SILENCE = 900  # seconds


def upload(host: t.Any, labs: t.Mapping[str, Jupyter]) -> None:
    """Each person a large file, which the web server writes nowhere on its way."""
    content = "0123456789abcdef" * 65536 * MEBIBYTES
    with ThreadPoolExecutor(len(labs)) as pool:
        list(pool.map(lambda lab: lab.upload("large.txt", content), labs.values()))
    for name in labs:
        assert host.file(f"/home/{name}/large.txt").size == MEBIBYTES * 1024**2, name
        host.check_output("rm /home/%s/large.txt", name)
    assert host.check_output("find /var/lib/nginx -type f -size +1M") == ""


def be_silent(labs: t.Mapping[str, Jupyter]) -> None:
    """Each person a terminal, for a quarter of an hour, and then it answers."""
    with ThreadPoolExecutor(len(labs)) as pool:
        shown = pool.map(lambda lab: lab.shell("echo still $(id -un)", SILENCE), labs.values())
        for name, said in zip(labs, shown, strict=True):
            assert f"still {name}" in said, (name, said)
