# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.generations import Found, Layout
from ansible_collections.openlab.research_server.plugins.module_utils._conda.switch import switch

Finished = Callable[..., str]


@pytest.mark.parametrize(
    ("name", "owned"),
    [
        ("nlp-0123456789ab.1", True),
        ("nlp-0123456789ab.12", True),
        ("nlp.adopted.1", True),
        ("nlp-big-0123456789ab.1", False),
        ("nlp-0123456789ab", False),
        ("xnlp-0123456789ab.1", False),
        ("nlpx.adopted.1", False),
        (".removing-nlp-0123456789ab.1-7", False),
    ],
)
def test_generations_of_another_environment_are_not_touched(layout: Layout, name: str, owned: bool) -> None:
    assert layout.owns(name) is owned


def test_what_stands_at_the_path(layout: Layout, finished: Finished) -> None:
    link = Path(layout.link)
    assert layout.found() is Found.MISSING
    link.mkdir()
    assert layout.found() is Found.REMAINS
    (link / "thesis.tex").write_text("")
    assert layout.found() is Found.OTHER
    (link / "conda-meta").mkdir()
    assert layout.found() is Found.REMAINS
    (link / "conda-meta/history").write_text("")
    assert layout.found() is Found.ENVIRONMENT
    link.rename(link.with_name("away"))
    link.write_text("")
    assert layout.found() is Found.OTHER
    link.unlink()
    link.symlink_to("away")
    assert layout.found() is Found.FOREIGN_LINK
    link.unlink()
    switch(layout, finished(layout))
    assert layout.found() is Found.GENERATION
    os.rename(layout.current() or "", f"{layout.folder}/x")
    assert layout.found() is Found.DEAD_LINK


def test_a_number_is_not_used_twice(layout: Layout, finished: Finished) -> None:
    assert finished(layout).endswith(".1")
    assert finished(layout).endswith(".2")
