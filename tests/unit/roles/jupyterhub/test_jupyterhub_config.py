# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What JupyterHub writes down. The program needs JupyterHub itself, so its class of lines is taken out of the text."""

from __future__ import annotations

import ast
import logging
import re
import typing as t
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[4] / "roles/jupyterhub/files/jupyterhub_config.py"


def written(message: str, *arguments: object) -> str:
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    kept: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Record"]
    known: dict[str, t.Any] = {"logging": logging, "re": re}
    exec(compile(ast.Module(kept, []), str(PROGRAM), "exec"), known)
    line: logging.LogRecord = known["Record"]("tornado.access", logging.INFO, "", 0, message, arguments, None)
    return line.getMessage()


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            ("302 GET /hub/lab?next=/user/ada/lab?token=SECRET -> /hub/login?next=%2Fuser%3Ftoken%3DSECRET (@192.0.2.7)",),
            "302 GET /hub/lab? -> /hub/login? (@192.0.2.7)",
        ),
        (
            ("403 %s: not yours", "GET /hub/lab?next=/user/ada/lab?token=SECRET (192.0.2.7)"),
            "403 GET /hub/lab? (192.0.2.7): not yours",
        ),
        (
            ('"Referer": "https://lab/user/ada/lab?token=SECRET",\n"Host": "lab"',),
            '"Referer": "https://lab/user/ada/lab?\n"Host": "lab"',
        ),
        (("Is it there? %d%% sure", 5), "Is it there? 5% sure"),
    ],
)
def test_nothing_behind_the_question_mark_of_an_address_is_written_down(told: tuple[t.Any, ...], line: str) -> None:
    assert written(*told) == line
    assert "\nlogging.setLogRecordFactory(Record)\n" in PROGRAM.read_text(encoding="utf-8")
