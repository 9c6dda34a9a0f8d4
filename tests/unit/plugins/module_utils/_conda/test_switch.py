# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import generations, switch
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.generations import Found, Layout

Finished = Callable[..., str]


@pytest.mark.parametrize(("found", "adopt"), [(Found.OTHER, True), (Found.ENVIRONMENT, False), (Found.FOREIGN_LINK, False)])
def test_what_must_stay_is_refused(layout: Layout, found: Found, adopt: bool) -> None:
    with pytest.raises(CondaEnvError, match=r"not managed|neither"):
        switch.require_room(layout, found, adopt)


@pytest.mark.parametrize("exchange", [True, False], ids=["renameat2", "two renames"])
def test_a_directory_makes_room_and_is_kept(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, exchange: bool, finished: Finished
) -> None:
    if not exchange:
        monkeypatch.setattr(switch, "exchange", lambda *_: False)
    link = Path(layout.link)
    link.mkdir()
    (link / "file").write_text("kept")
    new = finished(layout)
    kept = switch.switch(layout, new)
    assert kept is not None
    assert (Path(kept) / "file").read_text() == "kept"
    assert layout.current() == new
    assert generations.superseded(layout, 0) == []


def test_the_link_is_never_missing_while_it_is_switched(layout: Layout, finished: Finished) -> None:
    paths = [finished(layout), finished(layout)]
    switch.switch(layout, paths[0])
    watcher = subprocess.Popen(
        [
            "sh",
            "-c",
            'while [ -e "$1" ]; do if [ ! -e "$2" ]; then echo missing; exit; fi; done',
            "sh",
            f"{layout.folder}/go",
            layout.link,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    Path(f"{layout.folder}/go").write_text("")
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        switch.switch(layout, paths[0])
        switch.switch(layout, paths[1])
    os.unlink(f"{layout.folder}/go")
    assert watcher.communicate(timeout=10)[0] == ""


def test_the_newest_former_generations_are_kept(layout: Layout, finished: Finished) -> None:
    old, older, oldest, current = (finished(layout, age=age) for age in (1, 2, 3, 0))
    switch.switch(layout, current)
    unfinished = Path(layout.next("f" * 64))
    unfinished.mkdir()
    assert generations.superseded(layout, 1) == [str(unfinished), older, oldest]
    switch.remove(layout, generations.superseded(layout, 1))
    assert sorted(layout.generations()) == sorted([current, old])
    assert sorted(os.listdir(layout.folder)) == sorted(os.path.basename(path) for path in (current, old))


def test_a_removal_that_was_interrupted_is_finished(layout: Layout, finished: Finished) -> None:
    rest = Path(layout.folder) / ".removing-nlp-x"
    rest.mkdir()
    switch.remove(layout, [])
    assert not rest.exists()


def test_a_process_keeps_its_generation(layout: Layout, finished: Finished) -> None:
    used, unused = finished(layout), finished(layout)
    with subprocess.Popen(["sleep", "30"], cwd=used) as process:
        assert switch.in_use([used, unused]) == {used}
        process.kill()


def test_what_a_killed_sweep_left_is_noticed_and_removed(layout: Layout, finished: Finished) -> None:
    assert not generations.leftovers(layout)
    left = Path(layout.folder, ".removing-nlp-0123456789ab.1.1")
    (left / "share").mkdir(parents=True)
    assert generations.leftovers(layout)
    switch.remove(layout, [finished(layout)])
    assert not generations.leftovers(layout)
    assert os.listdir(layout.folder) == []


def test_a_directory_that_a_killed_switch_left_is_kept(layout: Layout, finished: Finished) -> None:
    """Killed after the exchange of link and directory, before the directory got its name."""
    between = Path(layout.folder, ".link-nlp")
    (between / "conda-meta").mkdir(parents=True)
    (between / "conda-meta/history").write_text("of a person")
    assert generations.leftovers(layout)
    switch.switch(layout, finished(layout))
    assert Path(layout.folder, "nlp.adopted.1/conda-meta/history").read_text() == "of a person"
    assert not generations.leftovers(layout)


def test_a_link_that_a_killed_switch_left_is_removed(layout: Layout) -> None:
    Path(layout.folder, ".link-nlp").symlink_to("nowhere")
    assert generations.leftovers(layout)
    switch.remove(layout, [])
    assert os.listdir(layout.folder) == []
