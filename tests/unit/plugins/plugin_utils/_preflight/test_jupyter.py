# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import digest_of
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.plugin_utils._jupyter.port import port_of
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.jupyter import check, warnings

# Two ordinary names with the same port.
TWINS = ("user102", "user136")


def test_what_a_lab_writes_is_accepted() -> None:
    assert check({}) == []
    assert (
        check(
            {
                "jupyter_users": ["alice", "bob", "_svc", "anna-lena", "j.doe"],
                "jupyter_ports": {"alice": 31000, "somebody-of-another-server": 20000},
                "jupyter_writable_paths": ["/home", "/srv/data"],
                "jupyter_server_options": {"MappingKernelManager.cull_idle_timeout": 3600, "KernelManager.transport": "tcp"},
                "jupyter_shared_ports": [6006, 65000],
                "jupyter_group_limits": {"students": {"memory_max": "8G", "cpu_quota": "400%", "tasks_max": 500, "gpus": []}},
                "jupyter_user_limits": {
                    "alice": {"memory_high": "1G 512M", "gpus": [0, "GPU-00000001-0000-0000-0000-00000000000a"]}
                },
                "jupyter_gpus": ["all"],
                "jupyter_stop_idle_after": 0,
                "jupyter_language": "zh_CN",
                "jupyter_extensions": ["jupyterlab-git", {"pip": ["some-extension==1.0"]}],
                "jupyter_settings": {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}},
                "jupyter_unit_settings": {"RestrictNamespaces": False, "IOWeight": 50, "ReadOnlyPaths": ["/a", "/b"]},
                "jupyter_devices": ["/dev/fuse", "char-alsa", "/dev/snd/*", "char-nvidia*"],
            }
        )
        == []
    )


@pytest.mark.parametrize(
    ("variables", "found", "advice"),
    [
        ({"jupyter_users": ["alice", "root"]}, "found 'root'", "remove it"),
        ({"jupyter_users": ["Alice"]}, "found 'Alice'", "lower case"),
        ({"jupyter_users": ["a/../b"]}, "found 'a/../b'", "correct the name"),
        ({"jupyter_users": ["-x"]}, "found '-x'", "correct the name"),
        ({"jupyter_users": ["a%i"]}, "found 'a%i'", "correct the name"),
        ({"jupyter_users": ["a" * 33]}, "found 'aaa", "at most 32"),
        ({"jupyter_ports": {"bob": 80}}, "found 80 for 'bob'", "1024 to 32767"),
        ({"jupyter_ports": {"bob": 32768}}, "found 32768 for 'bob'", "outgoing connections"),
        ({"jupyter_ports": {"bob": "many"}}, "found 'many' for 'bob'", "whole number"),
        ({"jupyter_ports": {"bob": True}}, "found True for 'bob'", "whole number"),
        ({"jupyter_ports": {"bob": 20000.5}}, "found 20000.5 for 'bob'", "whole number"),
        ({"jupyter_ports": {"bob": None}}, "found None for 'bob'", "whole number"),
        ({"jupyter_writable_paths": ["data"]}, "found 'data'", "absolute path"),
        ({"jupyter_writable_paths": ["/my data"]}, "found '/my data'", "without spaces"),
        ({"jupyter_writable_paths": ["/"]}, "found '/'", "stays read-only"),
        ({"jupyter_writable_paths": ["/etc/"]}, "found '/etc/'", "stays read-only"),
        ({"jupyter_server_options": {"ServerApp.ip": "0.0.0.0"}}, "found 'ServerApp.ip'", "loopback"),
        ({"jupyter_server_options": {"IdentityProvider.token": ""}}, "found 'IdentityProvider.token'", "behind a token"),
        ({"jupyter_server_options": {"ServerApp.allow_root": True}}, "found 'ServerApp.allow_root'", "remove it"),
        ({"jupyter_server_options": {"NotebookApp.ip": "0.0.0.0"}}, "found 'NotebookApp.ip'", "remove it"),
        ({"jupyter_server_options": {"LabApp.tornado_settings": "{}"}}, "found 'LabApp.tornado_settings'", "remove it"),
        ({"jupyter_server_options": {"KernelManager.ip": "0.0.0.0"}}, "found 'KernelManager.ip'", "remove it"),
        ({"jupyter_server_options": {"JupyterApp.config_file": "/x"}}, "found 'JupyterApp.config_file'", "remove it"),
        ({"jupyter_shared_ports": [0]}, "found 0", "1 to 65535"),
        ({"jupyter_shared_ports": [28650], "jupyter_users": ["bob"]}, "found 28650", "JupyterLab of bob"),
        ({"jupyter_unit_settings": {"RuntimeDirectory": "x"}}, "found 'RuntimeDirectory'", "remove it"),
        ({"jupyter_server_options": {"ip": "0.0.0.0"}}, "found 'ip'", "Class.option"),
        ({"jupyter_server_options": {"ServerApp.x": "a\nUser=root"}}, "line break in 'ServerApp.x'", "one line"),
        ({"jupyter_unit_settings": {"User": "root"}}, "found 'User'", "remove it"),
        ({"jupyter_unit_settings": {"ExecStartPre": "/bin/sh"}}, "found 'ExecStartPre'", "remove it"),
        ({"jupyter_unit_settings": {"MemoryMax": ["", "8 GiB"]}}, "jupyter_unit_settings: MemoryMax: found", "64G"),
        ({"jupyter_devices": ["/dev/fuse rw"]}, "jupyter_devices: found '/dev/fuse rw'", "without"),
        ({"jupyter_devices": ["dev/fuse"]}, "jupyter_devices: found 'dev/fuse'", "below /dev"),
        ({"jupyter_unit_settings": {"cpuquota": "1"}}, "found 'cpuquota'", "CPUQuota"),
        ({"jupyter_unit_settings": {"Nice": "1\nUser=root"}}, "line break in 'Nice'", "one line"),
        ({"jupyter_unit_settings": {"Nice": ["1", "2\nUser=root"]}}, "line break in 'Nice'", "one line"),
        ({"jupyter_unit_settings": {"Environment": "A=\\"}}, "in 'Environment', or a backslash at the end", "one line"),
        ({"jupyter_language": "zh-CN"}, "found 'zh-CN'", "'zh_CN'"),
        ({"jupyter_language": "Chinese"}, "found 'Chinese'", "'zh_CN'"),
        ({"jupyter_settings": {"theme": "JupyterLab Dark"}}, "found 'theme: JupyterLab Dark'", "themes"),
        ({"jupyter_settings": {"@jupyterlab/apputils-extension:themes": "Dark"}}, "themes: Dark'", "with a mapping"),
        ({"jupyter_extensions": [3]}, "found 3", "such as 'numpy=1.26'"),
    ],
)
def test_each_mistake_is_one_sentence_with_advice(variables: dict[str, t.Any], found: str, advice: str) -> None:
    (problem,) = check(variables)
    assert problem.startswith(next(iter(variables)))
    assert found in problem and "expected" in problem and advice in problem


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"jupyter_user_limits": {"ada": {"memory_max": "64 GB"}}}, "jupyter_user_limits: ada: memory_max: found '64 GB'"),
        ({"jupyter_group_limits": {"g": {"memroy_max": "1G"}}}, "jupyter_group_limits: g: found 'memroy_max'"),
        ({"jupyter_group_limits": {"g": {"memroy_max": "1G"}}}, "did you mean 'memory_max'?"),
        ({"jupyter_group_limits": {"g": {"x": 1}}}, "expected cpu_quota, memory_high, memory_max, tasks_max, gpus; remove it"),
        ({"jupyter_user_limits": {"ada": "8G"}}, "jupyter_user_limits: ada: found '8G'; expected limits such as"),
        ({"jupyter_user_limits": {"ada": {"gpus": "all"}}}, "jupyter_user_limits: ada: gpus: found 'all'; expected a list"),
        ({"jupyter_gpus": ["nvidia0"]}, "jupyter_gpus: found ['nvidia0']; expected a list"),
        ({"jupyter_gpus": [True]}, "expected a list of GPUs"),
        ({"jupyter_gpus": ["\uff11"]}, "expected a list of GPUs"),
        ({"jupyter_memory_max": "64"}, "jupyter_memory_max: found '64'; expected at least 128M"),
        ({"jupyter_user_limits": {"ada": {"memory_max": 64}}}, "ada: memory_max: found 64; expected at least 128M, or nobody"),
        ({"jupyter_user_limits": {"ada": {"memory_max": 64}}}, "did you mean '64G'?"),
        ({"jupyter_group_limits": {"g": {"tasks_max": 8}}}, "g: tasks_max: found 8; expected at least 32"),
        ({"jupyter_group_limits": {"g": {1: 2, "memory_max": "1G"}}}, "g: found '1'; expected cpu_quota"),
        ({"jupyter_memory_high": "lots"}, "jupyter_memory_high: found 'lots'"),
        ({"jupyter_stop_idle_after": -1}, "jupyter_stop_idle_after: found -1; expected seconds, or 0 for never"),
        ({"jupyter_start_timeout": 0}, "jupyter_start_timeout: found 0; expected seconds, 1 or more"),
        ({"jupyter_unit_settings": {"Slice": "system.slice"}}, "jupyter_unit_settings: found 'Slice'"),
        ({"jupyter_unit_settings": {"Restart": "always"}}, "jupyter_unit_settings: found 'Restart'"),
    ],
)
def test_a_limit_that_would_be_none_is_refused(variables: dict[str, t.Any], says: str) -> None:
    problems = check(variables)
    assert len(problems) == 1 and says in problems[0]


def test_names_that_yaml_reads_as_something_else_are_names() -> None:
    """Beside others that are text."""
    odd: dict[object, object] = {7: {"memory_max": "64 GB"}, False: {}, "ada": {"memory_max": "1G"}}
    (problem,) = check({"jupyter_user_limits": odd})
    assert problem.startswith("jupyter_user_limits: 7: memory_max: found '64 GB'")
    for variable in ("jupyter_server_options", "jupyter_unit_settings", "jupyter_settings"):
        found = check({variable: {4: {}, 3: {}}})
        assert [problem.startswith(f"{variable}: found '") for problem in found] == [True, True]
    assert len(check({"jupyter_ports": {7: 0, "bob": 0}})) == 2
    assert warnings({"jupyter_users": ["bob"], "jupyter_ports": {7: 20000, "alice": 20001}}) == []


def test_users_with_the_same_port_get_a_proposal_that_is_accepted() -> None:
    assert port_of(TWINS[0]) == port_of(TWINS[1])
    (problem,) = check({"jupyter_users": [*TWINS, "alice"]})
    name, port = problem.partition("set '")[2].partition("'")[0].split(": ")
    assert name in TWINS
    assert check({"jupyter_users": [*TWINS, "alice"], "jupyter_ports": {name: int(port)}}) == []


def test_an_explicit_port_that_somebody_has_is_refused() -> None:
    (problem,) = check({"jupyter_users": ["alice", "bob"], "jupyter_ports": {"bob": port_of("alice")}})
    assert "alice and bob" in problem
    (problem,) = check({"jupyter_users": ["alice", "bob"], "jupyter_ports": {"alice": 3000, "bob": 3000}})
    assert "found port 3000" in problem


def test_all_mistakes_are_told_at_once() -> None:
    assert len(check({"jupyter_users": ["root", "B"], "jupyter_ports": {"x": 1}, "jupyter_writable_paths": ["/"]})) == 4


@pytest.mark.parametrize(
    ("ports", "told"),
    [
        ({"priya": 21001}, []),
        ({"prya": 21001}, ["jupyter_ports: found 'prya', who has no JupyterLab here; did you mean 'priya'?"]),
        ({"prya": 21001, "priya": 21002}, []),  # who is meant has one
        ({"somebody": 21001}, []),  # who left may keep it
    ],
)
def test_a_port_for_a_name_with_a_typing_error_is_told(ports: dict[str, int], told: list[str]) -> None:
    assert warnings({"jupyter_users": ["priya", "tomas"], "jupyter_ports": ports}) == told


def test_a_lock_that_is_asked_for_is_looked_at_before_the_first_change(tmp_path: Path) -> None:
    lock = {"jupyter_lock": str(tmp_path / "jupyter.linux-64.lock.json"), "jupyter_extensions": ["jupyterlab-git"]}
    (problem,) = check({**lock, "jupyter_lock_policy": "require"})
    assert "there is no lock" in problem and "jupyter_lock_policy" in problem
    assert check({**lock, "jupyter_lock_policy": "prefer"}) == check({**lock, "jupyter_lock_policy": "ignore"}) == []
    Path(lock["jupyter_lock"]).write_text("{")
    (problem,) = check({**lock, "jupyter_lock_policy": "prefer"})
    assert "line 1: invalid JSON" in problem


def test_a_lock_knows_the_language_and_the_extensions(tmp_path: Path) -> None:
    made_of = ["jupyterlab", "jupyterlab-language-pack-zh-cn", "jupyterlab-git"]
    specification = parse({"dependencies": made_of}, {}, ("conda-forge",))
    package = {"name": "a", "version": "1", "build": "0", "build_number": 0, "channel": "conda-forge", "sha256": "0" * 64}
    content = {
        "format": 1,
        "platform": "linux-64",
        "conda_version": "24.7.1",
        "specification": digest_of(specification, Settings()),
        "channels": ["conda-forge"],
        "specs": made_of,
        "conda": [{**package, "url": "https://a.example/conda-forge/noarch/a-1-0.conda"}],
    }
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    said = {"jupyter_lock": str(path), "jupyter_language": "zh_CN", "jupyter_packages": ["jupyterlab"]}
    with_git = {**said, "jupyter_extensions": ["jupyterlab-git"]}
    assert check({**with_git, "jupyter_lock_policy": "require"}) == warnings({**with_git, "jupyter_lock_policy": "prefer"}) == []
    (problem,) = check({**said, "jupyter_lock_policy": "require"})
    assert "the specification has changed since it was locked" in problem
    (told,) = warnings({**said, "jupyter_lock_policy": "prefer"})
    assert "is not followed" in told
