# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import generations, manifest, switch
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.generations import Layout
from ansible_collections.openlab.research_server.plugins.module_utils._conda.rollback import Step, choose, former, mark


def build(layout: Layout, digest: str) -> str:
    """A finished generation that people have."""
    path = layout.next(digest * 64)
    (Path(path) / "conda-meta").mkdir(parents=True)
    manifest.write(manifest.take(path, digest, [], []))
    switch.switch(layout, path)
    return path


def back(layout: Layout, wanted: str = "") -> str:
    step = choose(layout, wanted)
    if step.target:
        mark(step.target, layout.current())
        switch.switch(layout, step.target)
    return layout.current() or ""


def test_one_step_back_and_no_further(layout: Layout) -> None:
    first, second, third = (build(layout, digest) for digest in "abc")
    assert back(layout) == second
    assert back(layout) == second
    assert "rolled back from nlp-cccccccccccc.1" in choose(layout, "").notes[0]
    assert back(layout, os.path.basename(first)) == first
    assert back(layout) == first
    assert back(layout, third) == third
    assert choose(layout, third) == Step()


def test_the_one_that_people_had_is_the_one_to_go_back_to(layout: Layout) -> None:
    good, bad = build(layout, "a"), build(layout, "b")
    back(layout)
    other = build(layout, "c")
    assert former(layout, other) == [good, bad]
    assert generations.superseded(layout, 1) == [bad]
    assert back(layout) == good


def test_without_a_link_the_newest_comes_back(layout: Layout) -> None:
    build(layout, "a")
    second = build(layout, "b")
    os.unlink(layout.link)
    assert back(layout) == second


def test_what_stood_there_before_is_the_last_resort(layout: Layout) -> None:
    old = Path(layout.link)
    (old / "conda-meta").mkdir(parents=True)
    (old / "conda-meta/history").write_text("")
    first = build(layout, "a")
    assert back(layout) == layout.folder + "/nlp.adopted.1"
    assert back(layout) == layout.folder + "/nlp.adopted.1"
    assert back(layout, first) == first


def test_unfinished_generations_do_not_count(layout: Layout) -> None:
    build(layout, "a")
    os.mkdir(layout.next("b" * 64))
    with pytest.raises(CondaEnvError, match="no former generation"):
        choose(layout, "")
    with pytest.raises(CondaEnvError, match="no complete generation") as error:
        choose(layout, "../nlp-bbbbbbbbbbbb.1")
    assert error.value.way_out == "Kept are: none."


def test_what_this_module_did_not_make_stays(layout: Layout) -> None:
    os.mkdir(layout.link)
    with pytest.raises(CondaEnvError, match="not managed"):
        choose(layout, "")


def test_a_changed_generation_is_reported(layout: Layout) -> None:
    first = build(layout, "a")
    build(layout, "b")
    (Path(first) / "conda-meta/x-1-0.json").write_text("{}")
    step = choose(layout, "")
    assert step.target == first
    assert "after it was built" in step.notes[0]
