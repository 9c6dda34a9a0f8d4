# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.task import Task
from ansible_collections.openlab.research_server.plugins.modules.conda_env import ARGUMENTS

DEFINITION = {"name": "x", "channels": ["lab"], "dependencies": ["app=1"]}
IMPORT = """
import sys
import ansible_collections.openlab.research_server.plugins.modules.conda_env
print(*(name.rpartition(".")[2] for name in sys.modules if "._conda." in name))
"""


def arguments(root: Path, **chosen: t.Any) -> dict[str, t.Any]:
    defaults = {name: option.get("default") for name, option in ARGUMENTS.items()}
    return {**defaults, "conda_root": str(root), "name": "nlp", "definition": DEFINITION, **chosen}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation with the environment, as a former run of the module left it."""
    task = Task(arguments(tmp_path))
    generation = Path(task.layout.next(task.digest))
    (generation / "conda-meta").mkdir(parents=True)
    (generation / "conda-meta/history").touch()
    (generation / "conda-meta/app-1.0-0.json").write_text("{}")
    manifest.write(manifest.take(str(generation), task.digest, [], []))
    os.symlink(generation, task.layout.link)
    return tmp_path


def test_what_is_as_asked_for_is_settled(root: Path) -> None:
    task = Task(arguments(root))
    settled = task.settled()
    assert settled is not None
    assert not settled["changed"]
    assert settled["plan"] == {"action": "none", "reasons": [], "install": [], "remove": []}
    assert settled["digest"] == task.digest
    assert settled["notes"] == ["'name: x' in the specification is ignored: the task names the environment"]
    assert Path(settled["generation"]) == Path(settled["prefix"]).resolve()


def add_generation(current: Path) -> None:
    older = current.with_name("nlp-" + "0" * 12 + ".1")
    older.mkdir()
    (older / manifest.MANIFEST_FILE).touch()


def keep_one(current: Path) -> None:
    state = manifest.load(str(current))
    assert state is not None
    manifest.write(dataclasses.replace(state, kept=("extra",)))


NOT_SETTLED: dict[str, tuple[dict[str, t.Any], t.Callable[[Path], object]]] = {
    "another environment": ({"name": "other"}, lambda _: None),
    "another specification": ({"definition": {**DEFINITION, "dependencies": ["app=2"]}}, lambda _: None),
    "another channel": ({"channel_alias": "https://mirror"}, lambda _: None),
    "rolled back": ({"state": "rolled_back", "definition": None}, lambda _: None),
    "not frozen": ({"frozen": True}, lambda _: None),
    "packages to prune": ({}, keep_one),
    "frozen by hand": ({}, lambda p: (p / "conda-meta/frozen").touch()),
    "absent": ({"state": "absent", "definition": None}, lambda _: None),
    "a record edited": ({}, lambda p: (p / "conda-meta/app-1.0-0.json").write_text("{ }")),
    "a record removed": ({}, lambda p: (p / "conda-meta/app-1.0-0.json").unlink()),
    "no state": ({}, lambda p: (p / manifest.MANIFEST_FILE).unlink()),
    "remains of another run": ({}, lambda p: p.with_name(p.name[:-1] + "2").mkdir()),
    "too many generations": ({"keep_generations": 0}, add_generation),
}


@pytest.mark.parametrize(("chosen", "change"), NOT_SETTLED.values(), ids=NOT_SETTLED)
def test_what_needs_a_closer_look_is_not_settled(
    root: Path, chosen: dict[str, t.Any], change: t.Callable[[Path], object]
) -> None:
    change((root / "envs/nlp").resolve())
    assert Task(arguments(root, **chosen)).settled() is None


@pytest.mark.parametrize("level", ["metadata", "files", "full"])
def test_what_has_its_files_is_settled_and_what_lacks_one_only_for_who_asks_no_file(root: Path, level: str) -> None:
    generation = (root / "envs/nlp").resolve()
    path = {"_path": "tool", "sha256": hashlib.sha256(b"tool").hexdigest(), "size_in_bytes": 4}
    record = {"name": "app", "version": "1.0", "build": "0", "paths_data": {"paths": [path]}}
    (generation / "conda-meta/app-1.0-0.json").write_text(json.dumps(record))
    (generation / "tool").write_text("tool")
    manifest.write(manifest.take(str(generation), Task(arguments(root)).digest, [], []))
    assert Task(arguments(root, verify=level)).settled() is not None
    (generation / "tool").unlink()
    assert (Task(arguments(root, verify=level)).settled() is None) == (level != "metadata")


@pytest.mark.parametrize(
    "chosen",
    [
        {"name": "base"},
        {"name": "a/b"},
        {"smoke": ["os; import sys"]},
        {"definition": {"dependencies": ["app=1"]}},
        {"definition": {**DEFINITION, "dependencies": [{"pip": ["-r left-behind.txt"]}]}},
        {"definition": {**DEFINITION, "dependencies": [{"pip": ["-r left-behind.txt"]}]}, "lock": {}},
        {"name": None, "prefix": "."},
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_read(
    root: Path, chosen: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(CondaEnvError):
        Task(arguments(root, **chosen))


@pytest.mark.parametrize("place", [{"name": "base"}, {"name": "root"}, {"name": None, "prefix": "."}], ids=str)
def test_the_installation_itself_needs_a_word(root: Path, place: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(CondaEnvError) as caught:
        Task(arguments(root, **place))
    assert "'allow_base: true'" in caught.value.way_out
    task = Task(arguments(root, allow_base=True, **place))
    assert (task.base, task.layout.link) == (True, str(root))
    assert not Task(arguments(root, allow_base=True)).base
    (root / "envs/other/condabin").mkdir(parents=True)
    (root / "envs/other/condabin/conda").touch()
    with pytest.raises(CondaEnvError):
        Task(arguments(root, allow_base=True, name="other"))


def test_the_module_imports_little_until_something_is_to_be_done() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True)
    imported = set(done.stdout.split())
    assert imported == {
        "errors",
        "frozen",
        "generations",
        "plan",
        "records",
        "requirements",
        "slips",
        "specification",
        "options",
        "manifest",
        "task",
    }


def test_kept_packages_are_settled_where_they_are_wanted(root: Path) -> None:
    keep_one((root / "envs/nlp").resolve())
    assert Task(arguments(root, prune=False)).settled() is not None
