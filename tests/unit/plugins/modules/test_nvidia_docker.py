# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against stand-ins for systemctl and docker."""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import nvidia_docker

# Docker reads its configuration when it is told to, unless it does not.
PROGRAMS = {
    "dockerd": "",
    "docker": 'cat "$(dirname "$0")/known"',
    "systemctl": """\
cd "$(dirname "$0")"
case $1 in
    is-active) test -e active ;;
    reload) echo reload >> log; test -e deaf || python3 -c 'import json; print(json.dumps(json.load(open("../daemon.json"))["runtimes"]))' > known ;;
esac""",
}


class Host:
    def __init__(self, folder: Path, run_module: Callable[..., dict[str, t.Any]]) -> None:
        self.folder, self.run_module = folder, run_module
        self.path = folder / "daemon.json"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name, text in PROGRAMS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.bin / name).chmod(0o755)
        (self.bin / "known").write_text("{}")

    def docker(self, **arguments: t.Any) -> dict[str, t.Any]:
        return self.run_module(nvidia_docker, path=str(self.path), **arguments)

    @property
    def reloads(self) -> int:
        log = self.bin / "log"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def host(tmp_path: Path, run_module: Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path, run_module)
    monkeypatch.setenv("PATH", f"{found.bin}:{os.environ['PATH']}")
    (found.bin / "active").touch()
    return found


def test_docker_is_told_once(host: Host) -> None:
    foretold = host.docker(check_mode=True)
    assert not host.path.exists()
    done = host.docker()
    assert foretold["diff"] == done["diff"]
    assert (done["changed"], done["notices"], host.reloads) == (True, [], 1)
    assert "nvidia" in json.loads(host.path.read_text())["runtimes"]
    assert (host.docker()["changed"], host.reloads) == (False, 1)


def test_a_file_that_somebody_keeps_elsewhere_stays_there_with_its_rights(host: Host) -> None:
    theirs = host.folder / "theirs.json"
    theirs.write_text("{}")
    theirs.chmod(0o640)
    host.path.symlink_to(theirs)
    assert host.docker()["changed"]
    assert host.path.is_symlink() and "nvidia" in theirs.read_text()
    assert theirs.stat().st_mode & 0o777 == 0o640


def test_what_an_interrupted_run_has_not_told_docker_is_told(host: Host) -> None:
    host.docker()
    (host.bin / "known").write_text("{}")
    assert host.docker(check_mode=True)["changed"]
    assert (host.docker()["changed"], host.reloads) == (True, 2)


def test_a_docker_that_does_not_listen_is_told_and_not_restarted(host: Host) -> None:
    (host.bin / "deaf").touch()
    assert "it has the runtime 'nvidia' when it is restarted" in host.docker()["notices"][0]


def test_a_docker_that_does_not_run_reads_it_when_it_starts(host: Host) -> None:
    (host.bin / "active").unlink()
    assert (host.docker()["changed"], host.docker()["changed"]) == (True, False)


def test_a_host_without_docker_is_left_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia_docker.shutil, "which", lambda _name: None)
    assert host.docker()["changed"] is False and not host.path.exists()


def test_a_file_that_docker_would_not_read_is_refused(host: Host) -> None:
    host.path.write_text("{")
    refused = host.docker()
    assert refused["failed"] and "found no JSON" in refused["msg"] and "Nothing has been changed" in refused["msg"]
    assert (host.path.read_text(), host.reloads) == ("{", 0)
