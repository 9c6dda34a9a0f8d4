# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import time
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError
from ansible_collections.openlab.research_server.plugins.modules import fail2ban_jails


class Module:
    """What `run` asks of a module, on a host with a fail2ban whose log has been cleaned away."""

    check_mode = False

    def __init__(self, folder: Path) -> None:
        self.params = {
            "jails": {"recidive": {"enabled": True}},
            "ignoreip": [],
            "packages": [],
            "path": str(folder / "jail.d/ours.local"),
            "log": str(folder / "fail2ban.log"),
        }

    def run_command(self, argv: list[str], **_options: t.Any) -> tuple[int, str, str]:
        if argv[1:] == ["--test"] and not os.path.exists(self.params["log"]):
            return 255, "", "ERROR   Failed during configuration: Have not found any log file for recidive jail"
        return 0, "ActiveState=inactive\nUnitFileState=disabled\n" if "show" in argv else "", ""

    def atomic_move(self, source: str, target: str) -> None:
        os.replace(source, target)


@pytest.mark.parametrize("before", [None, "2026-01-01 Starting\n"], ids=["missing", "there"])
def test_a_jail_that_reads_fail2bans_own_log_passes_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    module = Module(tmp_path)
    log = tmp_path / "fail2ban.log"
    if before is not None:
        log.write_text(before)
    for name in ("NFTABLES_DROPIN", "OWN_DROPIN"):
        monkeypatch.setattr(fail2ban_jails.bans, name, str(tmp_path / name / "drop-in.conf"))
    monkeypatch.setattr(fail2ban_jails, "FOLDER", str(tmp_path))
    monkeypatch.setattr(fail2ban_jails, "prove", lambda *_arguments: None)
    result = fail2ban_jails.run(t.cast("t.Any", module))
    assert result["changed"]
    assert log.read_text() == (before or "")
    assert stat.S_IMODE(log.stat().st_mode) & 0o007 == 0 or before is not None


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = str(tmp_path / "fail2ban.log")
    host = t.cast("t.Any", types.SimpleNamespace(doors=lambda: [("127.0.0.1", 22)]))
    monkeypatch.setattr(fail2ban_jails, "knock", lambda *_arguments: True)
    monkeypatch.setattr(fail2ban_jails, "PROOF_SECONDS", 0.0)
    with pytest.raises(RefusedError, match="did not notice"):
        fail2ban_jails.prove(host, log, None)
    full = types.SimpleNamespace(f_bfree=0, f_blocks=100)
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(RefusedError, match=r"^found no room for .*fail2ban\.log"):
        fail2ban_jails.prove(host, log, None)
    full.f_bfree = 1
    with pytest.raises(RefusedError, match="did not notice"):
        fail2ban_jails.prove(host, log, None)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """fail2ban's folder and that of its unit's drop-ins, as they were an hour ago."""
    folder = tmp_path / "fail2ban"
    dropin = tmp_path / "fail2ban.service.d" / "50-ours.conf"
    for path in (folder / "jail.conf", folder / "filter.d" / "sshd.conf", dropin):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(fail2ban_jails.bans, "OWN_DROPIN", str(dropin))
    for path in (folder, *folder.rglob("*"), dropin.parent, dropin):
        os.utime(path, (time.time() - 3600,) * 2)
    return folder


def test_files_that_are_older_than_the_service_have_been_read(files: Path) -> None:
    assert fail2ban_jails.unread(str(files), time.time() - 60, "/nothing") == []


@pytest.mark.parametrize(
    "name", ["jail.conf", "filter.d/sshd.conf", "filter.d", "../fail2ban.service.d", "../fail2ban.service.d/50-ours.conf"]
)
def test_what_was_changed_since_the_start_has_not_been_read(files: Path, name: str) -> None:
    """A folder is changed by a file that comes or goes."""
    os.utime(files / name)
    assert [Path(path).resolve() for path in fail2ban_jails.unread(str(files), time.time() - 60, "/nothing")] == [
        (files / name).resolve()
    ]


def test_what_was_read_again_by_the_client_is_known_by_the_log(files: Path) -> None:
    """As an administrator does who adds a jail of their own."""
    log = files / "fail2ban.log"
    line = "{},000 fail2ban.server         [7]: INFO    Reload finished.\n"
    os.utime(files / "filter.d", (time.time() - 100,) * 2)
    for ago, unread in ((200, [str(files / "filter.d")]), (50, [])):
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago))
        log.write_text(f"x\n{line.format(moment)}2026 odd\n", encoding="utf-8")
        os.utime(files, (time.time() - 3600,) * 2)
        assert fail2ban_jails.unread(str(files), time.time() - 1000, str(log)) == unread


def test_since_when_it_runs_is_told_by_a_clock_that_nobody_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(tmp_path)
    begun = int((time.monotonic() - 100) * 1e6)
    said = f"ActiveState=active\nUnitFileState=enabled\nStateChangeTimestampMonotonic={begun}\n"
    monkeypatch.setattr(module, "run_command", lambda *_arguments, **_options: (0, said, ""))
    state, since = fail2ban_jails.Host(t.cast("t.Any", module)).service()
    assert state == fail2ban_jails.RUNNING
    assert since == pytest.approx(time.time() - 100, abs=5)
