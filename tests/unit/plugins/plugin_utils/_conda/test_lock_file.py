# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.filter.conda_env_tasks import conda_env_tasks
from ansible_collections.openlab.research_server.plugins.filter.conda_lock_files import conda_lock_files
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import parse_lock
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.lock_file import lines, read, same, text, write

PACKAGE = {
    "name": "app",
    "version": "1.0",
    "build": "0",
    "build_number": 0,
    "channel": "lab",
    "url": "http://a.example/lab/noarch/app-1.0-0.conda",
    "sha256": "a" * 64,
    "depends": ["lib >=1", "python"],
}
CONTENT = {
    "format": 1,
    "platform": "linux-64",
    "conda_version": "24.7.1",
    "specification": "sha256:" + "0" * 64,
    "channels": ["lab"],
    "specs": ["app"],
    "conda": [PACKAGE],
    "pip": [{"name": "tiny", "version": "1.0", "file": "tiny.whl", "hashes": ["sha256:" + "c" * 64]}],
}
LOCK = parse_lock(CONTENT)


def test_a_file_is_read_as_it_was_written_with_a_line_for_each_field(tmp_path: Path) -> None:
    path = tmp_path / "nlp.linux-64.lock.json"
    write(path, LOCK)
    assert read(path) == LOCK
    assert path.read_text() == text(LOCK)
    assert '   "sha256": "' + "a" * 64 + '",\n   "depends": ["lib >=1", "python"]\n  }' in path.read_text()
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "x.json, line 1: invalid JSON"),
        ('{"format": 1, "format": 1}', "a key stands twice: format"),
        (json.dumps({**CONTENT, "more": 1}), "x.json unknown key 'more'"),
        (json.dumps({**CONTENT, "conda": [{**PACKAGE, "sha256": "0"}]}), "x.json conda[0] (app): sha256"),
        ("<<<<<<< HEAD\n{}", "invalid JSON"),
        ("[]", "is no lock"),
    ],
)
def test_a_file_that_is_no_lock_is_named(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(CondaEnvError) as failed:
        read(tmp_path / "x.json")
    assert expected in failed.value.cause
    with pytest.raises(CondaEnvError, match="cannot be read"):
        read(tmp_path / "none.json")


def test_another_conda_with_the_same_answer_is_no_change() -> None:
    assert same(parse_lock({**CONTENT, "conda_version": "26.1", "solver": "rattler"}), LOCK)
    assert not same(parse_lock({**CONTENT, "conda": [{**PACKAGE, "sha256": "b" * 64}]}), LOCK)
    assert not same(None, LOCK)


def test_lines_for_people() -> None:
    assert lines(LOCK).splitlines() == [
        "locked from sha256:000000000000",
        "app 1.0 0 lab sha256:aaaaaaaaaaaa",
        "pip: tiny==1.0 sha256:cccccccccccc",
    ]
    assert lines(None) == ""


@pytest.mark.parametrize(
    ("item", "architecture", "expected"),
    [
        ({"src": "nlp.yml"}, "x86_64", [("/envs/nlp.yml", "/envs/nlp.linux-64.lock.json")]),
        ({"src": "nlp.yml"}, "aarch64", [("/envs/nlp.yml", "/envs/nlp.linux-aarch64.lock.json")]),
        ({"src": "/a/b.env.yaml"}, "x86_64", [("/a/b.env.yaml", "/a/b.env.linux-64.lock.json")]),
        ({"src": "nlp.yml", "lock": "other.json"}, "x86_64", [("/envs/nlp.yml", "/envs/other.json")]),
        ({"lock": "/only.json"}, "x86_64", [("", "/only.json")]),
        ({"definition": {}}, "x86_64", []),
        ({"src": "nlp.yml", "state": "absent"}, "x86_64", []),
        ({"src": "nlp.yml", "name": "other"}, "x86_64", []),
    ],
)
def test_lock_files_of_the_role(item: dict[str, t.Any], architecture: str, expected: list[tuple[str, str]]) -> None:
    found = conda_lock_files([{"name": "nlp", **item}], "/envs", architecture, ["nlp"])
    assert [(entry["src"], entry["dest"]) for entry in found] == expected


@pytest.mark.parametrize(
    ("item", "policy", "expected"),
    [
        (
            {"src": "nlp.yml", "smoke": ["torch"], "kernel": False, "display_name": "NLP"},
            "prefer",
            {"src": "/envs/nlp.yml", "lock": "/envs/nlp.linux-64.lock.json", "lock_policy": "prefer", "smoke": ["torch"]},
        ),
        ({"src": "/a/b.yml", "lock": "c.json"}, "ignore", {"src": "/a/b.yml", "lock": "/envs/c.json", "lock_policy": "ignore"}),
        ({"lock": "/l.json"}, "require", {"lock": "/l.json", "lock_policy": "require"}),
        ({"definition": {"dependencies": []}}, "prefer", {"definition": {"dependencies": []}}),
        ({"definition": {}, "owner": None}, "require", {"definition": {}, "lock_policy": "require"}),
        ({"archive": "a.tar.gz", "checksum": "sha256:0"}, "prefer", {"archive": "/envs/a.tar.gz", "checksum": "sha256:0"}),
        ({"state": "absent"}, "prefer", {"state": "absent"}),
    ],
)
def test_what_the_role_asks_of_the_module(item: dict[str, t.Any], policy: str, expected: dict[str, t.Any]) -> None:
    assert conda_env_tasks([{"name": "nlp", **item}], "/envs", "x86_64", policy) == [{"name": "nlp", **expected}]
