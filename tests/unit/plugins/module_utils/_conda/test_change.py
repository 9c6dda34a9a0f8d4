# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of an environment that is right, and when. A real prefix below a temporary folder; no conda is asked."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.change import Change
from ansible_collections.openlab.research_server.plugins.module_utils._conda.mutex import exclusive, lock_file
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import conda_packages
from ansible_collections.openlab.research_server.plugins.module_utils._conda.task import Task
from ansible_collections.openlab.research_server.plugins.modules.conda_env import ARGUMENTS

DEFINITION = {"channels": ["lab"], "dependencies": ["app=1"]}
RECORD = {"name": "app", "version": "1.0", "build": "0", "channel": "lab", "url": "https://lab/noarch/app-1.0-0.conda"}


class Place:
    """An installation with one environment, in whose records somebody has moved nothing but the time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        task = self.task()
        prefix = Path(task.layout.next(task.digest))
        self.record = prefix / "conda-meta/app-1.0-0.json"
        self.record.parent.mkdir(parents=True)
        (prefix / "conda-meta/history").touch()
        self.record.write_text(json.dumps(RECORD), encoding="utf-8")
        manifest.write(manifest.take(str(prefix), task.digest, conda_packages(str(prefix)), []))
        os.symlink(prefix, task.layout.link)
        self.file = prefix / manifest.STATE_FILE
        self.first = self.file.read_bytes()
        os.utime(self.record, ns=(1, 1))

    def task(self) -> Task:
        defaults = {name: option.get("default") for name, option in ARGUMENTS.items()}
        return Task({**defaults, "conda_root": str(self.root), "name": "nlp", "definition": DEFINITION})

    def change(self, *, check_mode: bool = False) -> Change:
        scratch = self.root / "scratch"
        scratch.mkdir(exist_ok=True)
        return Change(self.task(), check_mode, str(scratch))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_reading_writes_nothing(place: Place) -> None:
    for check_mode in (True, False):
        actual, why = place.change(check_mode=check_mode).read()
        assert not why
        assert actual.unwritten
    assert place.file.read_bytes() == place.first


def test_what_was_found_right_is_written_down_once(place: Place) -> None:
    assert place.task().settled() is None
    result = place.change().run()
    assert not result["changed"]
    assert place.file.read_bytes() != place.first
    assert place.task().settled() is not None
    assert not place.change().read()[0].unwritten


def test_a_dry_run_does_not(place: Place) -> None:
    assert not place.change(check_mode=True).run()["changed"]
    assert place.file.read_bytes() == place.first


def test_nor_does_a_run_beside_another_one_and_it_does_not_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: pytest.fail("it waits"))
    with exclusive(lock_file(str(place.root)), "another", 0):
        result: dict[str, t.Any] = place.change().run()
    assert not result["changed"]
    assert place.file.read_bytes() == place.first
