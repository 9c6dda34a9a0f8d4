# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all the hardening must not take from people: they log in, compute, share a project."""

from __future__ import annotations

import pytest


@pytest.mark.cases(1)
@pytest.mark.parametrize("name", ["ada", "bob", "carol"])
def test_everybody_gets_in(person, name):
    assert person(name).check("id -un") == name


def test_a_notebook_computes(notebook):
    assert notebook.execute("lab", "import numpy; print(numpy.arange(3).sum())").strip() == "3"
