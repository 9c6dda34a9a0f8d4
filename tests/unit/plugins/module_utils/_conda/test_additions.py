# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.actual import Actual
from ansible_collections.openlab.research_server.plugins.module_utils._conda.additions import (
    Additions,
    additions,
    index_options,
    limits,
    pip_names,
    shadows,
    tolerated,
)
from ansible_collections.openlab.research_server.plugins.module_utils._conda.plan import changes, reasons
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import Package, conda_packages, pip_packages
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Specification

PLACE = "lib/python3.11/site-packages"


def conda(prefix: Path, name: str, version: str, asked: str = "None", files: tuple[str, ...] = ()) -> Package:
    record = {"name": name, "version": version, "build": "0", "url": f"file:///c/noarch/{name}-{version}-0.conda"}
    text = json.dumps({**record, "requested_spec": asked, "files": files})
    (prefix / f"conda-meta/{name}-{version}-0.json").write_text(text)
    return Package(name, version, "0", "file:///c")


def pip(prefix: Path, name: str, version: str, requested: bool = True, origin: t.Any = None) -> None:
    info = prefix / PLACE / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (info / "INSTALLER").write_text("pip\n")
    if requested:
        (info / "REQUESTED").write_text("")
    if origin:
        (info / "direct_url.json").write_text(json.dumps(origin))


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / PLACE).mkdir(parents=True)
    conda(tmp_path, "python", "3.11", "python=3.11")
    conda(tmp_path, "lib", "1.0")
    pip(tmp_path, "tiny", "1.0")
    return tmp_path


SPECIFICATION = Specification(("c",), ("python=3.11",), ("tiny==1.0",))


def test_what_somebody_asked_for_and_the_specification_does_not_name(prefix: Path) -> None:
    added = conda(prefix, "single", "2.0", "single")
    pip(prefix, "Some_Thing", "3")
    pip(prefix, "dependency", "4", requested=False)
    assert additions(str(prefix), SPECIFICATION) == Additions((added,), ("some-thing==3",))


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({"url": "https://h.example/x-1.whl", "archive_info": {}}, "x @ https://h.example/x-1.whl"),
        ({"url": "file:///srv/x", "dir_info": {"editable": True}}, "-e /srv/x"),
        ({"url": "file:///srv/x", "dir_info": {}}, "x @ file:///srv/x"),
        ({"url": "https://h.example/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, "x @ git+https://h.example/x@abc"),
        ({"nothing": 1}, "x==1"),
        ("text", "x==1"),
    ],
)
def test_pip_is_told_where_it_came_from(prefix: Path, origin: t.Any, line: str) -> None:
    pip(prefix, "x", "1", origin=origin)
    assert additions(str(prefix), SPECIFICATION).pip == (line,)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Some_Thing>=1; python_version > '3'", {"some-thing"}),
        ("x[extra]==1", {"x"}),
        ("x", {"x"}),
        ("x @ https://h.example/y", {"x"}),
        ("git+https://h.example/r#egg=Z", {"z"}),
        ("https://h.example/a_b-1.0-py3-none-any.whl", {"a-b"}),
        ("https://h.example/a_b-1.0.tar.gz#sha256=0", {"a-b"}),
        ("--index-url https://h.example", set()),
        ("# x", set()),
    ],
)
def test_names_in_a_pip_section(line: str, names: set[str]) -> None:
    assert pip_names(Specification((), (), (line,))) == names
    assert pip_names(Specification((), (), ("-r f",), (("f", f"{line}\n"),))) == names


def test_a_limit_names_nothing_that_is_installed(prefix: Path) -> None:
    asked = Specification(
        ("c",), ("python=3.11",), ("-c limits.txt", "-r more.txt"), (("limits.txt", "tiny<2\n"), ("more.txt", "x\n"))
    )
    assert pip_names(asked) == {"x"}
    assert additions(str(prefix), asked).pip == ("tiny==1.0",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x\n", ("--constraint=f", "-c g")), ("x==1 \\\n  --hash=sha256:00\n", ()), ("--require-hashes\n", ())],
)
def test_what_limits_versions_limits_extras_unless_it_asks_for_hashes(text: str, expected: tuple[str, ...]) -> None:
    assert (
        limits(Specification((), (), ("x", "--constraint=f", "-r h"), (("f", text), ("g", "y\n"), ("h", "-c g\n")))) == expected
    )


def test_the_index_of_the_specification_is_used_for_extras() -> None:
    files = (("f", "--find-links /w\nx\n-r g\n"),)
    assert index_options(Specification((), (), ("--no-index", "x", "-r f"), files)) == ("--no-index", "--find-links /w")


def read(prefix: Path, state: manifest.Manifest) -> Actual:
    installed = tuple(pip_packages(str(prefix)))
    return Actual(True, state, tuple(conda_packages(str(prefix))), installed, shadows=shadows(str(prefix), installed))


@pytest.fixture
def state(prefix: Path) -> manifest.Manifest:
    return manifest.take(str(prefix), "d", conda_packages(str(prefix)), ["tiny==1.0"])


def test_additions_are_taken_into_the_state_and_may_go_again(prefix: Path, state: manifest.Manifest) -> None:
    conda(prefix, "single", "2.0", "single")
    pip(prefix, "more", "1")
    first = tolerated(read(prefix, state))
    assert first is not None
    assert (first.kept, first.requirements) == (("more", "single"), ("tiny==1.0", "more==1"))
    assert manifest.confirm(first) is first
    (prefix / "conda-meta/single-2.0-0.json").unlink()
    conda(prefix, "single", "2.1", "single")
    second = tolerated(read(prefix, first))
    assert second is not None
    assert second.kept == ("more", "single")
    (prefix / "conda-meta/single-2.1-0.json").unlink()
    third = tolerated(read(prefix, second))
    assert third is not None
    assert third.kept == ("more",)
    assert reasons(Actual(True, third), "d", "", prune=True) == ("packages beyond the specification were kept: more",)
    assert reasons(Actual(True, third), "d", "", prune=False) == ()


CHANGES: dict[str, t.Callable[[Path], object]] = {
    "missing": lambda p: (p / "conda-meta/lib-1.0-0.json").unlink(),
    "another version": lambda p: [(p / "conda-meta/lib-1.0-0.json").unlink(), conda(p, "lib", "1.1")],
    "variables": lambda p: [conda(p, "single", "1"), (p / "conda-meta/state").write_text("{}")],
    "nothing added": lambda p: (p / "conda-meta/history").write_text("x"),
    "shadow": lambda p: [conda(p, "single", "1"), pip(p, "lib", "2")],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_changes_are_not_accepted(prefix: Path, state: manifest.Manifest, change: t.Callable[[Path], object]) -> None:
    change(prefix)
    assert tolerated(read(prefix, state)) is None


def test_a_shadow_is_named_also_under_another_name(prefix: Path, state: manifest.Manifest) -> None:
    conda(prefix, "pytorch", "2.0", files=(f"{PLACE}/torch/__init__.py", f"{PLACE}/torch-2.0-py3.11.egg-info/PKG-INFO"))
    state = dataclasses.replace(state, conda=tuple(conda_packages(str(prefix))))
    pip(prefix, "torch", "2.1")
    pip(prefix, "lib", "1.0")
    actual = read(prefix, state)
    assert changes(actual, state) == [
        "pip package lib 1.0 shadows conda package lib 1.0",
        "pip package torch 2.1 shadows conda package pytorch 2.0",
    ]
    assert reasons(dataclasses.replace(actual, manifest=None), "d", "")[1:] == tuple(changes(actual, state))
    assert additions(str(prefix), SPECIFICATION).pip == ()
