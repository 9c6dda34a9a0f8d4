# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a sysfs of files, and stand-ins for the programs that change it: no kernel module is loaded."""

from __future__ import annotations

import os
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import nvidia_reload

OLD, NEW = "580.76.05", "580.95.05"
# Module -> the modules that use it, and references.
LOADED = {
    "nvidia_uvm": ((), 0),
    "nvidia_drm": ((), 0),
    "nvidia_modeset": (("nvidia_drm",), 1),
    "nvidia": (("nvidia_uvm", "nvidia_modeset"), 4),
}
PROGRAMS = {
    # The persistence daemon has two references to nvidia.
    "systemctl": """\
case "$*" in
    "is-active --quiet nvidia-persistenced.service") test -e $HERE/daemon ;;
    "stop nvidia-persistenced.service"*) rm $HERE/daemon; test -e $HERE/clings || echo 2 > $SYS/nvidia/refcnt ;;
    "is-active --quiet research-server-dcgm-exporter.service") test -e $HERE/exporter ;;
    "start nvidia-persistenced.service"*) touch $HERE/daemon ;;
esac""",
    "rmmod": """\
test ! -e $HERE/stuck || { echo "rmmod: ERROR: Module nvidia is in use" >&2; exit 1; }
for module in "$@"; do rm -r $SYS/$module; done""",
    "modprobe": """\
[ "$1" = --all ] && shift
for module in "$@"; do [ -d $SYS/$module ] || { mkdir $SYS/$module; cp $HERE/installed $SYS/$module/version; }; done""",
}


class Host:
    def __init__(self, folder: Path, run_module: Callable[..., dict[str, t.Any]]) -> None:
        self.folder, self.run_module = folder, run_module
        self.modules = folder / "sys/module"
        for name, (holders, references) in LOADED.items():
            (self.modules / name / "holders").mkdir(parents=True)
            (self.modules / name / "version").write_text(f"{OLD}\n")
            self.refer(name, references)
            for holder in holders:
                (self.modules / name / "holders" / holder).mkdir()
        (folder / "installed").write_text(f"{NEW}\n")
        (folder / "daemon").touch()
        (folder / "proc").mkdir()
        (folder / "bin").mkdir()
        for name, text in PROGRAMS.items():
            (folder / "bin" / name).write_text(
                f'#!/bin/sh\nHERE={folder} SYS={self.modules}\necho {name} "$@" >> $HERE/log\n{text}\n'
            )
            (folder / "bin" / name).chmod(0o755)

    def refer(self, module: str, count: int) -> None:
        (self.modules / module / "refcnt").write_text(f"{count}\n")

    def process(self, program: str, opened: str) -> None:
        (self.folder / "proc/17/fd").mkdir(parents=True)
        (self.folder / "proc/17/comm").write_text(f"{program}\n")
        (self.folder / "proc/17/fd/3").symlink_to(opened)

    def reload(self, version: str = NEW, **arguments: t.Any) -> dict[str, t.Any]:
        roots = {"sysfs_root": str(self.folder / "sys"), "proc_root": str(self.folder / "proc")}
        return self.run_module(nvidia_reload, version=version, **roots, **arguments)

    @property
    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    @property
    def version(self) -> str:
        return (self.modules / "nvidia/version").read_text().strip()


@pytest.fixture
def host(tmp_path: Path, run_module: Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path, run_module)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return found


def test_the_new_driver_takes_the_place_of_the_old_one_once(host: Host) -> None:
    assert host.reload(check_mode=True)["changed"] and not host.log
    done = host.reload()
    assert (done["changed"], done["notices"], host.version) == (True, [], NEW)
    assert "rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia\n" in host.log
    assert host.log.endswith("systemctl start nvidia-persistenced.service\n")
    assert sorted(path.name for path in host.modules.iterdir()) == sorted(LOADED)
    assert host.reload()["changed"] is False


def test_a_daemon_that_did_not_run_is_not_started(host: Host) -> None:
    (host.folder / "daemon").unlink()
    host.refer("nvidia", 2)
    assert host.reload()["changed"] and "start nvidia-persistenced" not in host.log


def test_the_roles_own_exporter_rests_meanwhile(host: Host) -> None:
    (host.folder / "exporter").touch()
    host.process("dcgm-exporter", "/dev/nvidia0")
    # It has ended by the time that others are looked for again.
    stop = (host.folder / "bin/systemctl").read_text()
    (host.folder / "bin/systemctl").write_text(stop.replace("rm $HERE/daemon;", "rm -r $HERE/daemon $HERE/proc/17;"))
    assert (host.reload()["changed"], host.version) == (True, NEW)
    assert host.log.endswith("start nvidia-persistenced.service research-server-dcgm-exporter.service\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda host: host.process("python3", "/dev/nvidia0"), "in use by python3 of "),
        (lambda host: host.process("nv-hostengine", "/dev/nvidiactl"), "in use by nv-hostengine of "),
        (lambda host: host.refer("nvidia_drm", 1), "in use by the kernel itself, such as the console (nvidia_drm)"),
        (lambda host: (host.modules / "nvidia/holders/gdrdrv").mkdir(), "in use by the kernel module gdrdrv"),
    ],
    ids=["a program", "a monitor", "the console", "another driver"],
)
def test_a_driver_that_somebody_uses_stays_and_nothing_is_stopped(host: Host, change: Callable[[Host], None], says: str) -> None:
    change(host)
    for check_mode in (True, False):
        result = host.reload(check_mode=check_mode)
        assert result["changed"] is False
        (notice,) = result["notices"]
        assert f"driver {OLD} stays loaded, {NEW} is installed: {says}" in notice
    assert not host.log


def test_what_shows_only_without_the_daemon_brings_that_back(host: Host) -> None:
    (host.folder / "clings").touch()
    result = host.reload()
    assert result["changed"] is False and "in use by the kernel itself" in result["notices"][0]
    assert "rmmod" not in host.log and (host.folder / "daemon").exists()


def test_a_module_that_does_not_go_is_told_and_the_daemon_runs(host: Host) -> None:
    (host.folder / "stuck").touch()
    result = host.reload()
    assert "rmmod: ERROR: Module nvidia is in use" in result["notices"][0]
    assert (host.version, (host.folder / "daemon").exists()) == (OLD, True)


def test_without_a_loaded_driver_there_is_nothing_to_exchange(host: Host) -> None:
    shutil.rmtree(host.modules)
    host.modules.mkdir()
    assert host.reload()["changed"] is False and not host.log
