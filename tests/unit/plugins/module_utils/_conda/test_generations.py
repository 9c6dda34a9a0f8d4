# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import generations
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.generations import Found, Layout
from ansible_collections.openlab.research_server.plugins.module_utils._conda.manifest import MANIFEST_FILE

DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / generations.FOLDER).mkdir()
    return Layout(str(tmp_path / "nlp"))


def finished(layout: Layout, digest: str = DIGEST, age: int = 0) -> str:
    path = Path(layout.next(digest))
    (path / "conda-meta").mkdir(parents=True)
    state = path / MANIFEST_FILE
    state.write_text("{}")
    os.utime(state, (1_000_000 - age, 1_000_000 - age))
    return str(path)


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


def test_what_stands_at_the_path(layout: Layout) -> None:
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
    generations.switch(layout, finished(layout))
    assert layout.found() is Found.GENERATION
    os.rename(layout.current() or "", f"{layout.folder}/x")
    assert layout.found() is Found.DEAD_LINK


@pytest.mark.parametrize(("found", "adopt"), [(Found.OTHER, True), (Found.ENVIRONMENT, False), (Found.FOREIGN_LINK, False)])
def test_what_must_stay_is_refused(layout: Layout, found: Found, adopt: bool) -> None:
    with pytest.raises(CondaEnvError, match=r"not managed|neither"):
        generations.require_room(layout, found, adopt)


@pytest.mark.parametrize("exchange", [True, False], ids=["renameat2", "two renames"])
def test_a_directory_makes_room_and_is_kept(layout: Layout, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(generations, "exchange", lambda *_: False)
    link = Path(layout.link)
    link.mkdir()
    (link / "file").write_text("kept")
    new = finished(layout)
    kept = generations.switch(layout, new)
    assert kept is not None
    assert (Path(kept) / "file").read_text() == "kept"
    assert layout.current() == new
    assert generations.superseded(layout, 0) == []


def test_the_link_is_never_missing_while_it_is_switched(layout: Layout) -> None:
    paths = [finished(layout), finished(layout)]
    generations.switch(layout, paths[0])
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
        generations.switch(layout, paths[0])
        generations.switch(layout, paths[1])
    os.unlink(f"{layout.folder}/go")
    assert watcher.communicate(timeout=10)[0] == ""


def test_the_newest_former_generations_are_kept(layout: Layout) -> None:
    old, older, oldest, current = (finished(layout, age=age) for age in (1, 2, 3, 0))
    generations.switch(layout, current)
    unfinished = Path(layout.next(DIGEST))
    unfinished.mkdir()
    assert generations.superseded(layout, 1) == [str(unfinished), older, oldest]
    generations.remove(layout, generations.superseded(layout, 1))
    assert sorted(layout.generations()) == sorted([current, old])
    assert sorted(os.listdir(layout.folder)) == sorted(os.path.basename(path) for path in (current, old))


def test_a_removal_that_was_interrupted_is_finished(layout: Layout) -> None:
    rest = Path(layout.folder) / ".removing-nlp-x"
    rest.mkdir()
    generations.remove(layout, [])
    assert not rest.exists()


def test_a_process_keeps_its_generation(layout: Layout) -> None:
    used, unused = finished(layout), finished(layout)
    with subprocess.Popen(["sleep", "30"], cwd=used) as process:
        assert generations.in_use([used, unused]) == {used}
        process.kill()


def test_a_number_is_not_used_twice(layout: Layout) -> None:
    assert finished(layout).endswith(".1")
    assert finished(layout).endswith(".2")


def test_what_a_killed_sweep_left_is_noticed_and_removed(layout: Layout) -> None:
    assert not generations.leftovers(layout)
    left = Path(layout.folder, ".removing-nlp-0123456789ab.1.1")
    (left / "share").mkdir(parents=True)
    assert generations.leftovers(layout)
    generations.remove(layout, [finished(layout)])
    assert not generations.leftovers(layout)
    assert os.listdir(layout.folder) == []


def test_a_directory_that_a_killed_switch_left_is_kept(layout: Layout) -> None:
    """Killed after the exchange of link and directory, before the directory got its name."""
    between = Path(layout.folder, ".link-nlp")
    (between / "conda-meta").mkdir(parents=True)
    (between / "conda-meta/history").write_text("of a person")
    assert generations.leftovers(layout)
    generations.switch(layout, finished(layout))
    assert Path(layout.folder, "nlp.adopted.1/conda-meta/history").read_text() == "of a person"
    assert not generations.leftovers(layout)


def test_a_link_that_a_killed_switch_left_is_removed(layout: Layout) -> None:
    Path(layout.folder, ".link-nlp").symlink_to("nowhere")
    assert generations.leftovers(layout)
    generations.remove(layout, [])
    assert os.listdir(layout.folder) == []
