# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JupyterLab's page, used by a person at a browser: a notebook's cell is run, a line is typed into a terminal."""

from __future__ import annotations

import typing as t

from waiting import wait_until

from .browser import SHIFT, Browser

Document = dict[str, t.Any]


class File(t.Protocol):
    """A file of a test host."""

    path: str

    @property
    def exists(self) -> bool: ...

    @property
    def content_string(self) -> str: ...


def notebook(code: str, kernel: str = "lab") -> Document:
    """A notebook with one cell, as its file has it (nbformat 4)."""
    cell: Document = {"cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    return {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def see_kernel(browser: Browser, kernel: str = "lab") -> None:
    """Wait until the notebook has its kernel.

    The sign at the notebook's own top says "idle" before there is one, and a cell that is run then is passed over.
    """
    browser.see("#jp-main-statusbar", f"{kernel} | Idle")


def run_cell(browser: Browser, kernel: str = "lab") -> None:
    """Run the first cell of the notebook that is open."""
    see_kernel(browser, kernel)
    browser.click_until(".jp-CodeCell .cm-content", ".jp-Notebook.jp-mod-editMode")
    browser.press_enter(SHIFT)


def open_terminal(browser: Browser) -> None:
    """From the launcher."""
    browser.click('.jp-LauncherCard[data-category="Other"][title*="terminal"]')
    browser.click(".jp-Terminal .xterm-screen")


def tell_who(browser: Browser, said: File) -> None:
    """Have the terminal that is open write into a file of the person's home who types there, and wait for it."""
    browser.write(f"echo here is $(id -un) | tee {said.path}")
    browser.press_enter()
    wait_until(lambda: said.exists and said.content_string, browser.timeout)
