# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments are made, replaced, rolled back and removed below a temporary folder, by a program that stands for conda.

At the end: what is written down of an environment that is right, and when. There no conda is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import generations, manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.change import change
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.mutex import exclusive, mutex_file
from ansible_collections.openlab.research_server.plugins.module_utils._conda.reading import read
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import conda_packages
from ansible_collections.openlab.research_server.plugins.module_utils._conda.task import Task
from ansible_collections.openlab.research_server.plugins.modules.conda_env import ARGUMENTS

DEFINITION = {"channels": ["lab"], "dependencies": ["app=1"]}
RECORD = {"name": "app", "version": "1.0", "build": "0", "channel": "lab", "url": "https://lab/noarch/app-1.0-0.conda"}

# It chooses what it is asked for, and installs it: one file and one record for each package. The mood is how it goes wrong.
CONDA = """
import hashlib, json, os, sys

root, asked, answer = sys.argv[1], *sys.argv[-2:]
with open(asked) as file:
    request = json.load(file)
beside = os.path.dirname(request["prefix"])
with open(root + "/asked", "a") as file:
    file.write(json.dumps({**request, "beside": os.listdir(beside) if os.path.isdir(beside) else []}) + "\\n")
with open(root + "/mood") as file:
    mood = file.read()


def package(name, version, **more):
    url = f"https://lab/noarch/{name}-{version}-0.conda"
    return {"name": name, "version": version, "build": "0", "channel": "lab", "url": url, **more}


def put(path, text, mode=0o644):
    path = os.path.join(request["prefix"], path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


specs = [spec.partition("=") for spec in request["specs"]]
packages = [package(name, version or "1", requested_spec=name) for name, _equals, version in specs]
packages += [package(item["name"], item["version"], requested_spec=item["name"]) for item in request["keep"]]
if request["install"]:
    put("conda-meta/history", "")
    if mood == "dies":
        sys.exit("Killed")
    for item in packages + ([package("surprise", "1")] if mood == "lies" else []):
        content = f"{item['name']} {item['version']}"
        put(f"share/{item['name']}", content, 0o666)
        digest = hashlib.sha256(content.encode()).hexdigest()
        paths = [{"_path": f"share/{item['name']}", "path_type": "hardlink", "sha256_in_prefix": digest}]
        record = {**item, "files": [f"share/{item['name']}"], "paths_data": {"paths": paths}}
        put(f"conda-meta/{item['name']}-{item['version']}-0.json", json.dumps(record))
        if item["name"] == "python":
            put("bin/python", '#!/bin/sh\\n[ "$3" = "import app" ] || { echo "no module" >&2; exit 1; }\\n', 0o755)
result = {"conda_version": "26.1.0", "solver": "libmamba", "packages": packages, "notes": []}
result["kept"] = [item["name"] for item in request["keep"]]
if mood == "refuses":
    result = {"error": {"types": ["PackagesNotFoundError"], "text": "found no app"}}
with open(answer, "w") as file:
    json.dump(result, file)
"""


class Host:
    """A conda installation, and a home of whoever runs this."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "conda"
        self.link = self.root / "envs/nlp"
        self.generations = self.root / "envs" / generations.FOLDER
        (self.root / "conda-meta").mkdir(parents=True)
        (self.root / "bin").mkdir()
        (folder / "conda.py").write_text(CONDA, encoding="utf-8")
        self.python = self.root / "bin/python"
        self.python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {folder}/conda.py {self.root} "$@"\n', encoding="utf-8")
        self.python.chmod(0o755)
        (self.root / "asked").touch()
        self.mood("")

    def mood(self, mood: str) -> None:
        (self.root / "mood").write_text(mood, encoding="utf-8")

    def asked(self) -> list[dict[str, t.Any]]:
        """What conda has been asked so far, and which generations were there then."""
        return [json.loads(line) for line in (self.root / "asked").read_text(encoding="utf-8").splitlines()]

    def run(self, *dependencies: str, check_mode: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        defaults = {name: option.get("default") for name, option in ARGUMENTS.items()}
        definition = {"channels": ["lab"], "dependencies": list(dependencies)} if dependencies else None
        asked = {**defaults, "conda_root": str(self.root), "name": "nlp", "definition": definition, **arguments}
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            return change(Task(asked), check_mode, scratch)

    def has(self) -> list[str]:
        """What people have: the files of the packages."""
        return sorted(path.read_text(encoding="utf-8") for path in self.link.glob("share/*"))

    def present(self) -> list[str]:
        """The generations, without the digest in their names."""
        return sorted(f"{path.name.partition('-')[0]}.{path.name.rpartition('.')[2]}" for path in self.generations.iterdir())

    def look(self) -> dict[str, t.Any]:
        """All of the environments, to the time of the last change of each entry."""
        return {str(path): os.lstat(path).st_ctime_ns for path in (self.root / "envs").rglob("*")}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Host(tmp_path)


def test_an_environment_is_made_once(host: Host) -> None:
    result = host.run("app=1.0", "lib=2.0")
    assert result["changed"] and result["plan"]["action"] == "create"
    assert result["plan"]["install"] == ["app 1.0 0 https://lab", "lib 2.0 0 https://lab"]
    assert host.has() == ["app 1.0", "lib 2.0"]
    assert host.link.is_symlink() and os.path.realpath(host.link) == result["generation"]
    # Nothing of it can be written by everybody, whatever the package said.
    assert stat.S_IMODE((host.link / "share/app").stat().st_mode) == 0o664
    before = host.look()
    shutil.rmtree(host.root / "bin")
    again = host.run("app=1.0", "lib=2.0")
    assert not again["changed"] and again["generation"] == result["generation"]
    assert host.look() == before


def test_a_new_specification_replaces_it_and_the_former_one_is_kept_for_a_while(host: Host) -> None:
    first = host.run("app=1")["generation"]
    second = host.run("app=2")
    assert second["plan"] == {
        "action": "replace",
        "reasons": ["the specification has changed"],
        "install": ["app 2 0 https://lab"],
        "remove": ["app 1 0 https://lab"],
    }
    assert host.has() == ["app 2"]
    assert os.path.isdir(first) and second["swept"] == []
    third = host.run("app=3", keep_generations=1)
    assert third["swept"] == [first]
    assert sorted(map(str, host.generations.iterdir())) == sorted([second["generation"], third["generation"]])


def test_what_a_process_uses_stays_until_it_has_ended(host: Host) -> None:
    first = host.run("app=1", keep_generations=0)["generation"]
    with subprocess.Popen(["sleep", "60"], cwd=first) as process:
        assert host.run("app=2", keep_generations=0)["swept"] == []
        assert os.path.isdir(first)
        process.kill()
    assert host.run("app=2", keep_generations=0)["swept"] == [first]
    assert not os.path.exists(first)


def test_a_dry_run_tells_what_the_run_will_do_and_writes_nothing(host: Host) -> None:
    host.run("app=1")
    before = host.look()
    foreseen = host.run("app=2", check_mode=True)
    assert host.look() == before
    done = host.run("app=2")
    assert [request["install"] for request in host.asked()] == [True, False, True]
    assert (foreseen["plan"], foreseen["diff"]) == (done["plan"], done["diff"])


def test_without_a_conda_a_dry_run_tells_the_specification_and_a_run_what_is_missing(host: Host) -> None:
    shutil.rmtree(host.root / "conda-meta")
    foreseen = host.run("app=1", check_mode=True)
    assert foreseen["plan"]["install"] == ["app=1"]
    assert any("there is no conda at" in note for note in foreseen["notes"])
    with pytest.raises(CondaEnvError, match="there is no conda installation at") as caught:
        host.run("app=1")
    assert "role 'miniconda'" in caught.value.way_out
    assert not (host.root / "envs").exists()


@pytest.mark.parametrize(
    ("mood", "cause"),
    [
        ("refuses", "packages are not in the declared channels: found no app"),
        ("dies", r"does not work \(exit code 1\)"),
        ("lies", "conda installed other packages than it had chosen: surprise"),
    ],
)
def test_what_conda_cannot_do_leaves_people_what_they_have(host: Host, mood: str, cause: str) -> None:
    generation = host.run("app=1")["generation"]
    host.mood(mood)
    with pytest.raises(CondaEnvError, match=cause):
        host.run("app=2")
    assert list(map(str, host.generations.iterdir())) == [generation]
    assert host.has() == ["app 1"]


def test_an_environment_that_does_not_work_is_not_given_to_people(host: Host) -> None:
    assert host.run("python=3", "app=1", smoke=["app"])["changed"]
    with pytest.raises(CondaEnvError, match="smoke: 'import lib' fails: no module") as caught:
        host.run("python=3", "app=2", smoke=["lib"])
    assert "has not been changed" in caught.value.way_out
    with pytest.raises(CondaEnvError, match="smoke: there is no Python"):
        host.run("app=2", smoke=["app"])
    assert host.has() == ["app 1", "python 3"]
    assert len(host.present()) == 1


def test_what_a_killed_run_left_is_swept_by_the_next(host: Host) -> None:
    host.run("app=1")
    unfinished = host.generations / "nlp-0123456789ab.1"
    (unfinished / "conda-meta").mkdir(parents=True)
    result = host.run("app=1")
    assert result["swept"] == [str(unfinished)] and not unfinished.exists()
    assert host.has() == ["app 1"]
    # Before anything is installed: it may be what fills the disk.
    unfinished.mkdir()
    assert str(unfinished) in host.run("app=2")["swept"]
    assert unfinished.name not in host.asked()[-1]["beside"]


def test_a_directory_of_somebody_else_makes_room_only_if_the_task_says_so(host: Host) -> None:
    (host.link / "conda-meta").mkdir(parents=True)
    (host.link / "conda-meta/history").write_text("of a person", encoding="utf-8")
    before = host.look()
    with pytest.raises(CondaEnvError, match="is not managed by this module"):
        host.run("app=1", adopt=False)
    assert host.look() == before
    result = host.run("app=1", adopt=True)
    assert result["kept"] == f"{host.generations}/nlp.adopted.1"
    assert Path(result["kept"], "conda-meta/history").read_text(encoding="utf-8") == "of a person"
    assert host.has() == ["app 1"]


def test_a_link_of_somebody_else_makes_room_and_where_it_led_is_told(host: Host) -> None:
    theirs = host.folder / "theirs"
    theirs.mkdir()
    host.link.parent.mkdir()
    host.link.symlink_to(theirs)
    told = [f"{host.link} was a link to {theirs}; only the link makes room"]
    assert host.run("app=1", adopt=True, check_mode=True)["notes"] == told
    assert os.readlink(host.link) == str(theirs)
    assert host.run("app=1", adopt=True)["notes"] == told
    assert host.has() == ["app 1"] and theirs.is_dir()


def test_a_marker_comes_and_goes_without_a_new_generation(host: Host) -> None:
    generation = host.run("app=1")["generation"]
    marker = host.link / "conda-meta/frozen"
    frozen = {"frozen": True, "frozen_message": "ask the lab"}
    foreseen = host.run("app=1", check_mode=True, **frozen)
    assert not marker.exists()
    done = host.run("app=1", **frozen)
    assert (foreseen["plan"], foreseen["diff"]) == (done["plan"], done["diff"])
    assert done["plan"]["action"] == "adjust" and done["plan"]["reasons"] == ["it is not frozen"]
    assert json.loads(marker.read_text(encoding="utf-8")) == {"message": "ask the lab"}
    assert not host.run("app=1", **frozen)["changed"]
    # The next generation has it from the start.
    assert host.run("app=2", **frozen)["changed"] and marker.exists()
    assert host.run("app=2")["plan"]["reasons"] == ["it is frozen"]
    assert not marker.exists()
    assert Path(generation).is_dir() and len(host.present()) == 2


def test_what_somebody_changed_by_hand_is_named_and_built_anew(host: Host) -> None:
    host.run("app=1", "lib=1")
    (host.link / "conda-meta/lib-1-0.json").unlink()
    assert host.run("app=1", "lib=1")["plan"]["reasons"] == ["conda package lib 1 0 https://lab is missing"]
    (host.link / "conda-meta/app-1-0.json").write_text("{", encoding="utf-8")
    result = host.run("app=1", "lib=1")
    assert "app-1-0.json cannot be read" in result["plan"]["reasons"][0]
    assert host.has() == ["app 1", "lib 1"]
    assert not host.run("app=1", "lib=1")["changed"]


def test_a_file_that_is_not_as_installed_counts_where_the_task_wants_files_to_be_read(host: Host) -> None:
    host.run("app=1", verify="full")
    (host.link / "share/app").write_text("altered", encoding="utf-8")
    assert not host.run("app=1")["changed"]
    for level in ("files", "full"):
        result = host.run("app=1", verify=level, check_mode=True)
        assert result["plan"]["reasons"] == ["1 file is not as installed: share/app (altered)"]
        assert result["plan"]["install"] == result["plan"]["remove"] == []
        is_, should_be = result["diff"]["before"].splitlines(), result["diff"]["after"].splitlines()
        assert is_[0] == "conda app share/app: altered, sha256:" + hashlib.sha256(b"altered").hexdigest()
        assert should_be[0].startswith("conda app share/app: as installed, sha256:")
        assert ("verify=full" in should_be[1]) == (level == "files")
    repaired = host.run("app=1", verify="full")
    assert repaired["changed"]
    assert "verify=full" not in repaired["diff"]["after"]
    assert host.has() == ["app 1"]
    assert not host.run("app=1", verify="full")["changed"]


def test_what_people_added_is_looked_at_as_well(host: Host) -> None:
    host.run("app=1", prune=False)
    add(host, "extra")
    (host.link / "share/app").write_text("altered", encoding="utf-8")
    assert not host.run("app=1", prune=False, check_mode=True)["changed"]
    result = host.run("app=1", prune=False, verify="files", check_mode=True)
    assert result["plan"]["reasons"] == ["1 file is not as installed: share/app (altered)"]
    # What they added is written down, and with it all that is known of the other files.
    before = manifest.load(os.path.realpath(host.link))
    host.run("app=1", prune=False)
    after = manifest.load(os.path.realpath(host.link))
    assert before and after and before.kept != after.kept and before.finished_ns
    assert (before.finished_ns, before.known_damage, before.made) == (after.finished_ns, after.known_damage, after.made)


def test_an_environment_of_an_earlier_version_is_looked_at_from_its_manifest_on(host: Host) -> None:
    made = Path(host.run("app=1")["generation"])
    state = json.loads((made / ".conda_env.json").read_text(encoding="utf-8"))
    for key in ("finished_ns", "made"):
        del state[key]
    state["known_damage"] = None
    (made / ".conda_env.json").write_text(json.dumps(state), encoding="utf-8")
    assert not host.run("app=1", verify="files")["changed"]
    (host.link / "share/app").write_text("APP 1", encoding="utf-8")
    result = host.run("app=1", verify="files")
    assert result["plan"]["reasons"] == ["1 file is not as installed: share/app (altered)"]
    # It is repaired already.
    assert "verify=full" not in result["diff"]["after"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_environment_belongs_to_whom_the_task_names(host: Host) -> None:
    host.run("app=1")
    result = host.run("app=1", owner="nobody")
    assert "not to nobody:" in result["plan"]["reasons"][0]
    assert (host.link / "share/app").owner() == "nobody"
    assert not host.run("app=1", owner="nobody")["changed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_account_that_is_yet_to_come_is_foreseen_and_refused_by_the_run(host: Host) -> None:
    assert host.run("app=1", owner="not-there-yet", check_mode=True)["plan"]["action"] == "create"
    with pytest.raises(CondaEnvError, match="there is no user 'not-there-yet'"):
        host.run("app=1", owner="not-there-yet")
    assert not (host.root / "envs").exists()
    generation = host.run("app=1")["generation"]
    with pytest.raises(CondaEnvError, match="there is no user 'not-there-yet'"):
        host.run("app=1", owner="not-there-yet")
    assert host.present() == ["nlp.1"] and os.path.realpath(host.link) == generation


def add(host: Host, name: str) -> None:
    """As `conda install` of a person."""
    url = f"https://lab/noarch/{name}-1-0.conda"
    record = {"name": name, "version": "1", "build": "0", "url": url, "requested_spec": name}
    (host.link / f"conda-meta/{name}-1-0.json").write_text(json.dumps(record), encoding="utf-8")
    (host.link / f"share/{name}").write_text(f"{name} 1", encoding="utf-8")


def test_what_people_add_stays_until_the_task_wants_the_specification_alone(host: Host) -> None:
    first = host.run("app=1", prune=False)["generation"]
    add(host, "extra")
    assert not host.run("app=1", prune=False)["changed"]
    assert host.run("app=2", prune=False)["changed"]
    assert host.has() == ["app 2", "extra 1"]
    assert os.path.isdir(first)
    result = host.run("app=2", prune=True)
    assert result["plan"]["reasons"] == ["packages beyond the specification were kept: extra"]
    assert host.has() == ["app 2"]


def test_packages_from_a_channel_with_a_password_go_where_nobody_else_looks(host: Host) -> None:
    host.run("app=1")
    definition = {"channels": ["https://ada:secret@lab/conda"], "dependencies": ["app=2"]}
    host.run(definition=definition)
    assert [request["pkgs_dirs"] for request in host.asked()] == [[f"{host.root}/pkgs"], [f"{host.root}/pkgs-private"]]
    assert stat.S_IMODE((host.root / "pkgs").stat().st_mode) == 0o755
    assert stat.S_IMODE((host.root / "pkgs-private").stat().st_mode) == 0o700


def test_beside_another_run_nothing_is_touched(host: Host) -> None:
    host.run("app=1")
    before = host.look()
    with (
        exclusive(mutex_file(str(host.root)), "another", 0),
        pytest.raises(CondaEnvError, match="environment 'another'"),
    ):
        host.run("app=2", lock_timeout=0)
    assert host.look() == before


def test_what_another_run_has_done_meanwhile_is_not_done_again(host: Host) -> None:
    generation = host.run("app=1")["generation"]
    os.unlink(host.link)
    results: list[dict[str, t.Any]] = []
    waits = threading.Thread(target=lambda: results.append(host.run("app=1", frozen=True, lock_timeout=60)))
    with exclusive(mutex_file(str(host.root)), "another", 0):
        waits.start()
        time.sleep(0.5)
        host.link.symlink_to(f"{generations.FOLDER}/{os.path.basename(generation)}")
    waits.join(60)
    assert results[0]["generation"] == generation
    # What there is to adjust is adjusted.
    assert results[0]["plan"]["action"] == "adjust" and (host.link / "conda-meta/frozen").exists()
    assert len(host.asked()) == 1


def test_an_environment_elsewhere_is_on_condas_list_until_it_is_removed(host: Host) -> None:
    place = host.folder / "elsewhere/nlp"
    where = {"name": None, "prefix": str(place)}
    listed = host.folder / "home/.conda/environments.txt"
    host.run("app=1")
    assert not listed.exists()
    host.run("app=1", **where)
    assert listed.read_text(encoding="utf-8") == f"{place}\n"
    host.run(state="absent", **where)
    assert listed.read_text(encoding="utf-8") == ""
    assert list((host.folder / "elsewhere").rglob("*nlp*")) == []
    assert host.has() == ["app 1"]


def test_what_is_to_be_absent_goes_with_all_that_is_left_of_it(host: Host) -> None:
    for version in "123":
        host.run(f"app={version}")
    before = host.look()
    foreseen = host.run(state="absent", check_mode=True)
    assert foreseen["plan"]["remove"] == ["app 3 0 https://lab"]
    assert host.look() == before
    assert host.run(state="absent")["plan"] == foreseen["plan"]
    assert not os.path.lexists(host.link) and host.present() == []
    # A killed run may leave something for which no name is shown.
    (host.generations / ".removing-nlp-1").mkdir()
    for check_mode, left in ((True, 1), (False, 0)):
        assert not host.run(state="absent", check_mode=check_mode)["changed"]
        assert len(list(host.generations.iterdir())) == left


@pytest.mark.parametrize("make", [lambda link: link.write_text("thesis"), lambda link: (link / "thesis").mkdir(parents=True)])
def test_what_is_no_environment_is_not_removed(host: Host, make: t.Callable[[Path], object]) -> None:
    host.link.parent.mkdir()
    make(host.link)
    before = host.look()
    with pytest.raises(CondaEnvError, match="neither a conda environment nor empty"):
        host.run(state="absent")
    assert host.look() == before


def test_people_get_back_what_they_had_and_a_dry_run_says_so(host: Host) -> None:
    first = host.run("app=1")["generation"]
    second = host.run("app=2")["generation"]
    foreseen = host.run(state="rolled_back", check_mode=True)
    assert host.has() == ["app 2"]
    done = host.run(state="rolled_back")
    assert foreseen["plan"] == done["plan"]
    assert done["plan"]["reasons"] == [f"the environment is to be {os.path.basename(first)} again"]
    assert (done["plan"]["remove"], done["plan"]["install"]) == (["app 2 0 https://lab"], ["app 1 0 https://lab"])
    assert host.has() == ["app 1"]
    again = host.run(state="rolled_back")
    assert not again["changed"] and "rolled back from" in again["notes"][0]
    assert host.run(state="rolled_back", generation=os.path.basename(second))["changed"]
    assert host.has() == ["app 2"]


def test_what_cannot_be_read_is_told_and_goes_all_the_same(host: Host) -> None:
    host.run("app=1")
    (host.link / "conda-meta/app-1-0.json").write_text("{", encoding="utf-8")
    assert "cannot be read" in host.run(state="absent")["plan"]["remove"][0]
    assert not os.path.lexists(host.link)


def test_a_link_to_nothing_is_removed_and_had_nothing(host: Host) -> None:
    generation = host.run("app=1")["generation"]
    shutil.rmtree(generation)
    assert host.run(state="absent")["plan"]["remove"] == []
    assert not os.path.lexists(host.link)


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
        self.file = prefix / manifest.MANIFEST_FILE
        self.first = self.file.read_bytes()
        os.utime(self.record, ns=(1, 1))

    def task(self) -> Task:
        defaults = {name: option.get("default") for name, option in ARGUMENTS.items()}
        return Task({**defaults, "conda_root": str(self.root), "name": "nlp", "definition": DEFINITION})

    def change(self, *, check_mode: bool = False) -> dict[str, t.Any]:
        scratch = self.root / "scratch"
        scratch.mkdir(exist_ok=True)
        return change(self.task(), check_mode, str(scratch))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_reading_writes_nothing(place: Place) -> None:
    actual, why = read(place.task())
    assert not why
    assert actual.unwritten
    assert place.file.read_bytes() == place.first


def test_what_was_found_right_is_written_down_once(place: Place) -> None:
    assert place.task().settled() is None
    result = place.change()
    assert not result["changed"]
    assert place.file.read_bytes() != place.first
    assert place.task().settled() is not None
    assert not read(place.task())[0].unwritten


def test_a_dry_run_does_not(place: Place) -> None:
    assert not place.change(check_mode=True)["changed"]
    assert place.file.read_bytes() == place.first


def test_nor_does_a_run_beside_another_one_and_it_does_not_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: pytest.fail("it waits"))
    with exclusive(mutex_file(str(place.root)), "another", 0):
        result: dict[str, t.Any] = place.change()
    assert not result["changed"]
    assert place.file.read_bytes() == place.first
