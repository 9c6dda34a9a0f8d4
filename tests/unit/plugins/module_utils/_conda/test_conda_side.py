# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import py_compile
import subprocess
import sys
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import conda_side as helper
from ansible_collections.openlab.research_server.plugins.module_utils._conda.conda_side import (
    cached_sources,
    condarc,
    describe,
    fits,
    plain_need,
    stem,
    unmet,
)


def test_byte_code_fits_the_source_that_it_was_made_from(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    os.utime(source, (1704067200, 1704067200))
    timed = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert fits(str(timed), str(source))
    source.write_text("x = 22\n")
    os.utime(source, (1704067200, 1704067200))
    assert not fits(str(timed), str(source))  # another size
    source.write_text("x = 2\n")
    assert not fits(str(timed), str(source))  # another time
    hashed = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    assert not fits(str(hashed), str(source))
    assert not fits(str(tmp_path / "none.pyc"), str(source))


def test_sources_of_packages_in_the_cache(tmp_path: Path) -> None:
    for path in ("a-1-0/site-packages/a/b.py", "a-1-0/site-packages/a/data.txt", "a-1-0/site-packages/c.py", "a-1-0/info/d.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    top = f"{tmp_path}/a-1-0/site-packages"
    assert cached_sources([f"{tmp_path}/a-1-0", f"{tmp_path}/none"]) == {"a/b.py": f"{top}/a/b.py", "c.py": f"{top}/c.py"}


def test_requirements_are_met_by_what_is_there() -> None:
    lines = [
        "pytest",
        "pytest>=7  # of this interpreter",
        "pytest<1",
        "no-such-project==1",
        "no-such-project; python_version < '3'",
        "pytest @ https://example.org/pytest.whl",
        "pytest[dev]",
        "--index-url https://example.org",
        "--editable /srv/project",
        "-r more.txt",
        "# nothing",
    ]
    missing, unknown = unmet(lines)
    assert missing == ["pytest<1", "no-such-project==1"]
    assert unknown == [lines[5], lines[6], lines[8], lines[9]]


def asked(**changes: t.Any) -> dict[str, t.Any]:
    plain: dict[str, t.Any] = {"channels": ["lab"], "channel_priority": "flexible", "custom_channels": {}, "pkgs_dirs": ["/p"]}
    plain |= {"envs_dir": "/e", "offline": False, "channel_alias": "", "default_channels": [], "shards": True}
    return condarc({**plain, **changes})


def test_a_channel_cannot_bring_others_along() -> None:
    """conda after 26.9 looks into channels that a channel names (CEP 42), unless told otherwise."""
    assert asked()["channel_relations_max_depth"] == 0


def test_shards_of_an_index_are_used_unless_they_fail() -> None:
    assert not {"repodata_use_shards", "plugins"} & set(asked())
    without = asked(shards=False)
    assert (without["repodata_use_shards"], without["plugins"]) == (False, {"use_sharded_repodata": False})


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("lib >=1,<2", "lib >=1,<2"),
        ("lib", "lib"),
        ("colorama[when=__win]", ""),
        ("lib[version='>=1', when=\"python >=3.12\"]", ""),
        ("lib[version='>=1',extras=[a,b],flags=[cpu]]", "lib[version='>=1']"),
        ("lib[extras=[a, b], version='>=1']", "lib[ version='>=1']"),
        ("lib >=1[flags=[cpu]]", "lib >=1"),
        ("whenever[build=when_1]", "whenever[build=when_1]"),
    ],
)
def test_what_a_dependency_demands_in_any_case(text: str, plain: str) -> None:
    assert plain_need(text) == plain


@pytest.mark.parametrize(
    ("file", "folder"), [("a-1.0-0.conda", "a-1.0-0"), ("a-1.0-0.tar.bz2", "a-1.0-0"), ("a-1.0-py3-none-any.whl", "")]
)
def test_the_folder_of_a_package_in_the_cache(file: str, folder: str) -> None:
    assert stem(file) == folder


def test_an_error_from_a_process_of_its_own_keeps_its_type() -> None:
    error = RuntimeError("conda.exceptions.NoSpaceLeftError: No space left on devices.")
    assert "NoSpaceLeftError" in describe(error)["types"]
    assert "NoSpaceLeftError" not in describe(ValueError(str(error)))["types"]


def test_files_of_extracted_packages_are_hashed_in_a_process_of_its_own(tmp_path: Path) -> None:
    big, small = b"x" * (3 << 20), b"small"
    (tmp_path / "a-1-0/info").mkdir(parents=True)
    (tmp_path / "a-1-0/big").write_bytes(big)
    (tmp_path / "a-1-0/small").write_bytes(small)
    (tmp_path / "a-1-0/link").symlink_to("small")
    kinds = {"big": "hardlink", "small": "hardlink", "link": "softlink", "gone": "hardlink"}
    paths = [{"_path": name, "path_type": kind} for name, kind in kinds.items()]
    (tmp_path / "a-1-0/info/paths.json").write_text(json.dumps({"paths": paths}))
    folders = [f"{tmp_path}/a-1-0", f"{tmp_path}/b-1-0"]
    (tmp_path / "folders.json").write_text(json.dumps(folders))
    command = [sys.executable, "-I", helper.__file__, "--hash", tmp_path / "folders.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    digests = {"big": hashlib.sha256(big).hexdigest(), "small": hashlib.sha256(small).hexdigest(), "gone": ""}
    assert found == {f"{tmp_path}/a-1-0/{name}": digest for name, digest in digests.items()}


def test_a_library_that_crashes_when_the_interpreter_ends_harms_no_answer(tmp_path: Path) -> None:
    (tmp_path / "conda").mkdir()
    (tmp_path / "conda/__init__.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    (tmp_path / "request.json").write_text("{}")
    command = [sys.executable, "-s", helper.__file__, tmp_path / "request.json", tmp_path / "result.json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False, capture_output=True)
    assert done.returncode == 0
    assert "ModuleNotFoundError" in json.loads((tmp_path / "result.json").read_text())["error"]["types"]


class NoAnswerError(Exception):
    """What a solver raises."""


@pytest.mark.parametrize(
    ("solver", "wanted", "channels", "asked"),
    [
        ("libmamba", "flexible", "ab", ["flexible"]),
        ("rattler", "strict", "ab", ["strict"]),
        ("rattler", "flexible", "a", ["flexible"]),
        ("rattler", "flexible", "ab", ["strict"]),
        # The first channel alone has no answer.
        ("rattler", "flexible", "abc", ["strict", "disabled"]),
    ],
)
def test_a_solver_without_flexible_priority(
    monkeypatch: pytest.MonkeyPatch, solver: str, wanted: str, channels: str, asked: list[str]
) -> None:
    seen = []

    def configure(request: dict[str, t.Any]) -> types.SimpleNamespace:
        return types.SimpleNamespace(solver=solver, channel_priority=request["channel_priority"])

    def ask(request: dict[str, t.Any], context: types.SimpleNamespace) -> str:
        seen.append(context.channel_priority)
        if context.channel_priority == "strict" and len(request["channels"]) == 3:
            raise NoAnswerError
        return "answer"

    monkeypatch.setattr(helper, "configure", configure)
    request = {"channels": list(channels), "channel_priority": wanted}
    answer, notes = helper.by_priority(request, configure(request), ask)
    assert (answer, seen) == ("answer", asked)
    assert len(notes) == len(asked) - 1
