# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection does inside conda, against the conda at hand: does it still take effect?

CONDA_ROOTS names further installations, with a colon between. The test bed's two installers bring the same conda, and differ in
what stands beside it: to ask both would tell nothing more.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.conda_side_archive import conda_side_archive
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side import patches
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda

# The function of conda.core.path_actions that each patch replaces, found in its own text.
PATCHES = {
    name: next(
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(getattr(patches, name))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    for name in ("hash_ahead", "keep_byte_code")
}
PROBE = """
import ast, inspect, json, sys
from conda.core import path_actions
from rooms._conda_side import patches
before = vars(path_actions).copy()
getattr(patches, sys.argv[1])([], sys.argv[2] if sys.argv[1] == "hash_ahead" else [])
calls = [node.func.id for node in ast.walk(ast.parse(inspect.getsource(path_actions)))
         if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
print(json.dumps([name for name, value in vars(path_actions).items() if before.get(name) is not value and name in calls]))
"""

IN_FULL = """
import json, sys
from conda.base.context import reset_context
from conda.models.match_spec import MatchSpec
from rooms._conda_side.in_full import in_full, specs_restored
reset_context(search_path=(sys.argv[1],))
request = json.loads(sys.argv[2])
found = in_full(request)
back = specs_restored([MatchSpec(spec) for spec in found["specs"]], found, request)
back = [spec.original_spec_str or text for spec, text in zip(back, found["specs"])]  # there is none of a package's URL
print(json.dumps([found, back]))
"""
# How rattler needs it -> as a specification may say it.
SPECS = {
    "lib=1": "lib=1",
    "https://mirror.example/c/other::lib=1": "other::lib=1",
    "https://mirror.example/c/other/noarch::lib": "other/noarch::lib",
    "https://mirror.example/c/lab/label/dev::lib 1.0|1.1": "lab/label/dev::lib 1.0|1.1",
    "https://mirror.example/c/other::lib[version='>=1']": "lib[channel=other, version='>=1']",
    "https://team.example/team::lib": "team::lib",
    "https://u:p@host.example/x::lib": "https://u:p@host.example/x::lib",
    "https://host.example/x/noarch/lib-1.0-0.conda": "https://host.example/x/noarch/lib-1.0-0.conda",
    # Several places, and no one knows how many.
    "defaults::lib": "defaults::lib",
    "conda*::lib": "conda*::lib",
}


@pytest.fixture(params=[None, *filter(None, os.environ.get("CONDA_ROOTS", "").split(":"))])
def inside(request: pytest.FixtureRequest, conda: Conda, tmp_path: Path) -> t.Callable[..., t.Any]:
    """Run a program in conda's own Python; what it prints, as JSON."""

    def run(*command: t.Any) -> t.Any:
        python = Path(request.param or conda.root, "bin/python")
        environment = {**os.environ, "PYTHONPATH": conda_side_archive(str(tmp_path))}
        done = subprocess.run([python, "-s", "-c", *command], env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("patch", PATCHES)
def test_conda_still_calls_what_is_replaced(inside: t.Callable[..., t.Any], tmp_path: Path, patch: str) -> None:
    assert inside(PROBE, patch, tmp_path) == [PATCHES[patch]]


def test_channels_in_full(inside: t.Callable[..., t.Any], tmp_path: Path) -> None:
    settings = {"channel_alias": "https://u:p@mirror.example/c", "custom_channels": {"team": "https://team.example"}}
    (tmp_path / "condarc.yml").write_text(json.dumps(settings))
    request = {**settings, "channels": ["lab", "https://x:y@host.example/z"], "specs": list(SPECS.values()), "prefix": "/p"}
    found, back = inside(IN_FULL, tmp_path / "condarc.yml", json.dumps(request))
    assert found["specs"] == list(SPECS)
    assert back == request["specs"]
    assert found["channels"] == [
        *("https://u:p@mirror.example/c/lab", "https://x:y@host.example/z", "https://u:p@mirror.example/c/other"),
        *("https://u:p@mirror.example/c/lab/label/dev", "https://team.example/team", "https://u:p@host.example/x"),
        *("https://host.example/x", "https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"),
    ]
    assert (found["channel_alias"], found["custom_channels"], found["prefix"]) == ("", {}, "/p")


RECORDS_RESTORED = """
import json, sys
from conda.base.context import reset_context
from conda.models.records import PackageRecord
from rooms._conda_side.in_full import records_restored
records = [PackageRecord(name="lib", version="1", build="0", build_number=0, url=url) for url in sys.argv[3:]]
[record.channel.canonical_name for record in records]
reset_context(search_path=(sys.argv[1],))
print(json.dumps([(record.url, record.channel.canonical_name) for record in records_restored(records, json.loads(sys.argv[2]))]))
"""


def test_records_of_a_solver_that_saw_other_names(inside: t.Callable[..., t.Any], tmp_path: Path) -> None:
    (tmp_path / "condarc.yml").write_text('{"channel_alias": "https://mirror.example/c"}')
    channels = ["https://u:p@mirror.example/c/lab", "https://host.example/t/to-ken/b", "https://host.example/c"]
    expected = {
        "https://u:p@mirror.example/c/lab/noarch/lib-1-0.conda": "lab",
        "https://host.example/t/to-ken/b/linux-64/lib-1-0.conda": "https://host.example/b",
        "https://host.example/c/noarch/lib-1-0.conda": "https://host.example/c",
        "https://mirror.example/c/other/noarch/lib-1-0.conda": "other",
    }
    bare = [url.replace("u:p@", "").replace("t/to-ken/", "") for url in expected]
    assert dict(inside(RECORDS_RESTORED, tmp_path / "condarc.yml", json.dumps(channels), *bare)) == expected
    assert dict(inside(RECORDS_RESTORED, tmp_path / "condarc.yml", json.dumps(channels), *expected)) == expected


# What conda has announced to go is gone, and whatever it warns its callers of is an error where a room of ours is the caller.
ANNOUNCED = """
import json, sys, warnings
from conda.base.context import Context
if hasattr(Context, "report_errors"):
    del Context.report_errors
    Context.parameter_names = tuple(name for name in Context.parameter_names if name != "report_errors")
for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
    warnings.filterwarnings("error", category=category, module=r"rooms\\.")
from rooms._conda_side import answer, hashes
if len(sys.argv) > 2:
    warnings.warn_explicit("a stand-in", DeprecationWarning, hashes.__file__, 1, module=hashes.__name__)
found = answer.run(json.loads(sys.argv[1]))
print(json.dumps([f"{item['name']} {item['version']}" for item in found["packages"]]))
"""


def test_nothing_depends_on_what_conda_has_announced_to_go(
    inside: t.Callable[..., t.Any], conda: Conda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    empty = ("allowlist_channels", "denylist_channels", "default_channels", "records", "keep", "gpu", "pip")
    request = {
        **{name: [] for name in empty},
        **{"policy": {}, "variables": {}, "custom_channels": {}, "exclude_newer": ""},
        **{"install": True, "offline": False, "extract_again": False, "shards": True, "base": False},
        "channels": ["lab", "other"],
        "channel_alias": f"file://{conda.channels}",
        "channel_priority": "strict",
        "specs": ["app", "lib>=1,<2", "lab::single=1.0", "old[version='>=1']"],
        "scratch": str(tmp_path),
        "prefix": str(tmp_path / "envs" / "new"),
        "envs_dir": str(tmp_path / "envs"),
        "pkgs_dirs": [str(tmp_path / "pkgs")],
    }
    (tmp_path / "envs").mkdir()
    assert sorted(inside(ANNOUNCED, json.dumps(request))) == ["app 1.0", "lib 1.1", "old 1.0", "single 1.0"]
    assert (tmp_path / "envs" / "new" / "share" / "app").is_file()
    with pytest.raises(subprocess.CalledProcessError):
        inside(ANNOUNCED, json.dumps(request), "warn")
