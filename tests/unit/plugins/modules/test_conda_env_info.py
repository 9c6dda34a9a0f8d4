# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reads folders that look like a conda installation."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import conda_packages
from ansible_collections.openlab.research_server.plugins.modules import conda_env_info

NOW = datetime.datetime(2026, 11, 20, 12, 0, 0, tzinfo=datetime.timezone.utc)
DIGEST = "ab" * 32
PLACE = "lib/python3.11/site-packages"


def put(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def prefix(path: Path, **record: t.Any) -> Path:
    """A prefix with one conda package and one file."""
    put(path / "share/lib", "content")
    content = {
        "name": "lib",
        "version": "1.0",
        "build": "0",
        "subdir": "noarch",
        "channel": "https://host/lab/noarch",
        "url": "https://joe:secret@host/t/tk-1234/lab/noarch/lib-1.0-0.conda",
        "sha256": "00",
        "md5": "11",
        "files": ["share/lib"],
        "paths_data": {"paths": [{"_path": "share/lib", "sha256_in_prefix": hashlib.sha256(b"content").hexdigest()}]},
        **record,
    }
    put(path / "conda-meta/lib-1.0-0.json", json.dumps(content))
    put(path / "conda-meta/history", "==> 2026-11-19 12:00:00 <==\n# cmd: conda create\n")
    return path


def pip(path: Path, name: str = "tiny", **files: str) -> Path:
    info = path / PLACE / f"{name}-1.dist-info"
    put(info / "METADATA", f"Name: {name}\nVersion: 1\n")
    put(info / "INSTALLER", "pip\n")
    put(info / "RECORD", f"{name}.py,,\n")
    put(path / PLACE / f"{name}.py")
    for file, content in files.items():
        put(info / file.replace("_json", ".json"), content)
    return info


def generation(root: Path, name: str, number: int = 1) -> Path:
    """A finished generation with the link to it."""
    path = prefix(root / f"envs/.generations/{name}-{DIGEST[:12]}.{number}")
    (path / PLACE).mkdir(parents=True, exist_ok=True)
    manifest.write(manifest.take(str(path), DIGEST, conda_packages(str(path)), []))
    link = root / "envs" / name
    link.unlink(missing_ok=True)
    link.symlink_to(f".generations/{path.name}")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return prefix(tmp_path.resolve() / "root")


def look(root: Path, name: str | None = None, path: str | None = None, **options: bool) -> list[dict[str, t.Any]]:
    places = conda_env_info.wanted(str(root), name, path)
    return [conda_env_info.describe(place, NOW, options.get("packages", True), options.get("verify", False)) for place in places]


def one(root: Path, name: str, **options: bool) -> dict[str, t.Any]:
    (found,) = look(root, name, **options)
    return found


def test_all_kinds_of_environments_are_found(root: Path, tmp_path: Path) -> None:
    generation(root, "managed")
    prefix(root / "envs/own")
    (root / "envs/half/conda-meta").mkdir(parents=True)
    (root / "envs/data/notes").mkdir(parents=True)
    put(root / "envs/.conda_envs_dir_test")
    (root / "envs/foreign").symlink_to(prefix(tmp_path / "elsewhere"))
    (root / "envs/papers").symlink_to(tmp_path)
    (root / "envs/dead").symlink_to(f".generations/dead-{DIGEST[:12]}.1")
    generation(root, "unlinked")
    (root / "envs/unlinked").unlink()
    found = {item["name"]: (item["kind"], item["managed"], bool(item["prefix"]), bool(item["signs"])) for item in look(root)}
    assert found == {
        "base": ("base", False, True, False),
        "managed": ("generation", True, True, False),
        "own": ("environment", False, True, False),
        "half": ("remains", False, True, True),
        "foreign": ("foreign link", False, True, False),
        "dead": ("dead link", False, False, True),
        "unlinked": ("missing", False, False, True),
    }


def test_what_does_not_exist_is_an_empty_list(root: Path) -> None:
    assert look(root, "nothing") == []
    assert look(root, path=str(root / "envs/nothing")) == []
    assert look(root / "nowhere") == []


@pytest.mark.parametrize("name", ["../x", "a/b", ".generations"])
def test_a_path_is_no_name(root: Path, name: str) -> None:
    with pytest.raises(CondaEnvError, match="expected the name"):
        look(root, name)


def test_one_environment_by_its_path(root: Path, tmp_path: Path) -> None:
    prefix(tmp_path / "elsewhere")
    assert [item["name"] for item in look(root, path=str(tmp_path / "elsewhere"))] == ["elsewhere"]
    assert [item["kind"] for item in look(root, path=f"{root}/")] == ["base"]


@pytest.mark.parametrize(
    ("fields", "requested"),
    [
        ({}, False),
        ({"requested_spec": "None"}, False),
        ({"requested_spec": ""}, False),
        ({"requested_specs": []}, False),
        ({"requested_spec": "lib=1"}, True),
        ({"requested_specs": ["lib 1.*"]}, True),
    ],
)
def test_a_conda_package(root: Path, fields: dict[str, t.Any], requested: bool) -> None:
    prefix(root / "envs/own", **fields)
    assert one(root, "own")["packages"] == [
        {
            "name": "lib",
            "version": "1.0",
            "build": "0",
            "channel": "https://host/lab",
            "url": "https://host/lab/noarch/lib-1.0-0.conda",
            "sha256": "00",
            "md5": "11",
            "requested": requested,
            "installer": "conda",
        }
    ]


def test_pip_packages(root: Path) -> None:
    path = prefix(root / "envs/own")
    origin = {"url": "https://joe:secret@host/x/asked-1.whl", "archive_info": {"hashes": {"sha256": "22"}}}
    pip(path, "asked", REQUESTED="", direct_url_json=json.dumps(origin))
    pip(path, "needed")
    pip(path, "condas", INSTALLER="conda")
    found = [item for item in one(root, "own")["packages"] if item["installer"] == "pip"]
    assert [(item["name"], item["requested"], item["url"], item["sha256"]) for item in found] == [
        ("asked", True, "https://host/x/asked-1.whl", "22"),
        ("needed", False, "", ""),
    ]


def test_no_packages_unless_asked(root: Path) -> None:
    assert "packages" not in one(root, "base", packages=False)


def test_a_record_that_cannot_be_read_is_named(root: Path) -> None:
    put(root / "conda-meta/broken-1-0.json", "{")
    found = one(root, "base", verify=True)
    assert found["unreadable_records"] == ["conda-meta/broken-1-0.json"]
    assert not found["verification"]["intact"]
    assert len(found["packages"]) == 1


def test_drift_since_it_was_built(root: Path) -> None:
    path = generation(root, "managed")
    assert (one(root, "managed")["digest"], one(root, "managed")["drifted"]) == (DIGEST, False)
    pip(path)
    found = one(root, "managed")
    assert (found["drifted"], found["drift"]) == (True, ["pip package tiny 1 pypi_0 pypi was added"])
    (path / "conda-meta/lib-1.0-0.json").write_text("{")
    assert "cannot be read" in one(root, "managed")["drift"][0]


def test_generations(root: Path) -> None:
    first = generation(root, "managed", 1)
    second = generation(root, "managed", 2)
    (root / f"envs/.generations/managed-{DIGEST[:12]}.3").mkdir()
    (root / "envs/.generations/managed.adopted.1").mkdir()
    found = [
        (Path(item["path"]).name, item["current"], item["finished"], item["adopted"])
        for item in one(root, "managed")["generations"]
    ]
    assert found == [
        (first.name, False, True, False),
        (second.name, True, True, False),
        (f"managed-{DIGEST[:12]}.3", False, False, False),
        ("managed.adopted.1", False, False, True),
    ]


SIGNS: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "changed by a killed conda": (
        lambda p: put(p / "bin/tool.c~"),
        "1 files *.c~ of an interrupted change by conda, such as bin/tool.c~",
    ),
    "record of a killed conda": (lambda p: put(p / "conda-meta/x.json.c~"), "such as conda-meta/x.json.c~"),
    "no history": (lambda p: (p / "conda-meta/history").unlink(), "no conda-meta/history"),
    "temporary folder": (lambda p: (p / ".condatmp").mkdir(), ".condatmp"),
    "not finished": (lambda p: (p / manifest.MANIFEST_FILE).unlink(), "never finished"),
}


@pytest.mark.parametrize("case", SIGNS)
def test_signs_of_an_interruption(root: Path, case: str) -> None:
    damage, sign = SIGNS[case]
    path = generation(root, "managed")
    damage(path)
    (found,) = one(root, "managed")["signs"]
    assert sign in found


@pytest.mark.parametrize(
    ("content", "message"), [('{"message": "Ask the lab."}', "Ask the lab."), ("", ""), ("[]", ""), ("{}", "")]
)
def test_a_frozen_environment(root: Path, content: str, message: str) -> None:
    assert not one(root, "base")["frozen"]
    put(root / "conda-meta/frozen", content)
    found = one(root, "base")
    assert (found["frozen"], found["frozen_message"]) == (True, message)


@pytest.mark.parametrize(
    ("created_at", "created", "age"),
    [
        ("2026-11-20T11:00:00Z", "2026-11-20T11:00:00Z", 3600),
        ("2026-11-20T13:00:00+02:00", "2026-11-20T11:00:00Z", 3600),
        (str(NOW.timestamp() - 60), "2026-11-20T11:59:00Z", 60),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", 0),
    ],
)
def test_age_from_condas_own_note(root: Path, created_at: str, created: str, age: int) -> None:
    put(root / "conda-meta/created_at", created_at)
    assert (one(root, "base")["created"], one(root, "base")["age_seconds"]) == (created, age)


def test_age_from_the_history(root: Path) -> None:
    local = datetime.datetime(2026, 11, 19, 12, 0, 0).astimezone(datetime.timezone.utc)
    assert one(root, "base")["created"] == local.strftime("%Y-%m-%dT%H:%M:%SZ")
    put(root / "conda-meta/created_at", "nonsense")
    assert one(root, "base")["created"] == local.strftime("%Y-%m-%dT%H:%M:%SZ")
    put(root / "conda-meta/history")
    os.utime(root / "conda-meta/history", (NOW.timestamp() - 5, NOW.timestamp() - 5))
    assert one(root, "base")["age_seconds"] == 5


def test_size_counts_a_file_once_and_tells_what_is_shared(root: Path) -> None:
    before = one(root, "base")
    (root / "big").write_bytes(b"x" * 1_000_000)
    alone = one(root, "base")
    assert alone["size_bytes"] - before["size_bytes"] >= 1_000_000
    assert alone["unshared_bytes"] == alone["size_bytes"]
    os.link(root / "big", root / "twin")
    assert one(root, "base")["size_bytes"] == alone["size_bytes"]
    assert one(root, "base")["unshared_bytes"] == alone["unshared_bytes"]
    (root / "pkgs").mkdir()
    os.link(root / "big", root / "pkgs/big")
    assert one(root, "base")["size_bytes"] == alone["size_bytes"]
    assert alone["unshared_bytes"] - one(root, "base")["unshared_bytes"] >= 1_000_000


def test_an_environment_inside_another_does_not_count(root: Path) -> None:
    before = one(root, "base")["size_bytes"]
    (prefix(root / "projects/own") / "big").write_bytes(b"x" * 1_000_000)
    assert one(root, "base")["size_bytes"] - before < 100_000


def test_verification(root: Path) -> None:
    path = prefix(root / "envs/own")
    info = pip(path)
    assert one(root, "own", verify=True)["verification"] == {
        "intact": True,
        "hashed_files": 1,
        "hashed_bytes": 7,
        "present_files": 1,
        "problems": [],
        "unusable_records": [],
    }
    (path / "share/lib").write_text("CONTENT")
    (path / PLACE / "tiny.py").unlink()
    found = one(root, "own", verify=True)["verification"]
    assert not found["intact"]
    assert [(item["path"], item["package"], item["installer"], item["problem"]) for item in found["problems"]] == [
        (f"{PLACE}/tiny.py", "tiny", "pip", "missing"),
        ("share/lib", "lib", "conda", "altered"),
    ]
    (info / "RECORD").unlink()
    (unusable,) = one(root, "own", verify=True)["verification"]["unusable_records"]
    assert unusable == f"{PLACE}/tiny-1.dist-info/RECORD: No such file or directory"
