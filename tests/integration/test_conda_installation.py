# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda_installation with the test bed's installer, and with installers that fail."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import installer
from ansible_collections.openlab.research_server.tests.integration.real_conda import MIRROR, Conda

# As much of an installer's interface as the module uses; quick, and it can be told to fail.
FAKE = """#!/bin/sh
set -eu
update=no
while getopts "bup:" option; do case $option in p) prefix=$OPTARG ;; u) update=yes ;; b) ;; esac; done
[ $update = yes ] || [ ! -e "$prefix" ] || { echo "already exists" >&2; exit 1; }
mkdir -p "$prefix/bin" "$prefix/conda-meta" "$prefix/etc/profile.d" "$prefix/pkgs/base"
touch "$prefix/bin/python" "$prefix/bin/conda" "$prefix/etc/profile.d/conda.sh" "$prefix/conda-meta/history"
echo VERSION > "$prefix/version"
ls "$prefix" > "$prefix/seen"
FAILURE
"""


class Host:
    """A folder as a host, and installers to offer."""

    def __init__(self, conda: Conda, folder: Path) -> None:
        self.conda, self.folder, self.prefix = conda, folder, folder / "conda"

    def offer(self, version: str, failure: str = "") -> dict[str, str]:
        file = self.folder / f"Installer-{version}.sh"
        file.write_text(FAKE.replace("VERSION", version).replace("FAILURE", failure))
        return {"url": f"file://{file}", "checksum": f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"}

    def run(self, offer: dict[str, str], **more: t.Any) -> dict[str, t.Any]:
        return self.conda.run(module="conda_installation", prefix=str(self.prefix), **{**offer, **more})

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if not path.name.endswith((".sh", ".lock")))


@pytest.fixture
def host(conda: Conda, tmp_path: Path) -> Host:
    return Host(conda, tmp_path)


def test_an_installation_is_made_once(host: Host) -> None:
    offer = host.offer("1")
    assert host.run(offer, check=True)["changed"]
    assert host.names() == []
    made = host.run(offer, condarc="channels: [c]\n")
    assert made["reason"] == "there is no conda installation"
    assert (host.prefix / ".condarc").read_text() == "channels: [c]\n"
    (host.folder / "Installer-1.sh").unlink()  # nothing is downloaded any more
    assert not host.run(offer, condarc="channels: [c]\n")["changed"]
    assert host.run(offer, condarc="channels: [d]\n")["changed"]


@pytest.mark.parametrize("mounts", [True, False], ids=["mount namespace", "without mounts"])
def test_another_version_replaces_the_base_and_keeps_environments(
    host: Host, monkeypatch: pytest.MonkeyPatch, mounts: bool
) -> None:
    if not mounts:
        tools = host.folder / "tools"
        tools.mkdir()
        (tools / "unshare").write_text("#!/bin/sh\nexit 1\n")
        (tools / "unshare").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    host.run(host.offer("1"))
    (host.prefix / "envs/nlp").mkdir()
    (host.prefix / "pkgs/numpy").mkdir()
    inode = (host.prefix / "envs/nlp").stat().st_ino
    assert host.run(host.offer("2"))["reason"] == "it was made by Installer-1.sh"
    assert (host.prefix / "version").read_text() == "2\n"
    assert (host.prefix / "envs/nlp").stat().st_ino == inode
    assert (host.prefix / "pkgs/numpy").is_dir()
    assert set(host.names()) <= {"conda", "tools"}


@pytest.mark.parametrize("failure", ["exit 3", 'rm "$prefix/bin/conda"'], ids=["exit code", "incomplete"])
def test_a_failing_installer_leaves_what_was_there(host: Host, failure: str) -> None:
    failed = host.run(host.offer("1", failure))
    assert "Installer-1.sh failed" in failed["msg"]
    assert host.names() == []
    host.run(host.offer("1"))
    (host.prefix / "envs/nlp").mkdir()
    assert "Installer-2.sh failed" in host.run(host.offer("2", failure))["msg"]
    assert (host.prefix / "version").read_text() == "1\n"
    assert (host.prefix / "envs/nlp").is_dir()
    assert host.names() == ["conda"]


def test_a_wrong_checksum_runs_nothing(host: Host) -> None:
    offer = host.offer("1")
    failed = host.run({**offer, "checksum": "sha256:" + "0" * 64})
    assert "does not match" in failed["msg"]
    assert offer["checksum"] in failed["msg"]
    assert host.names() == []
    assert list((host.conda.home / "tmp").rglob("installer.sh")) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"checksum": "md5:00"}, "expected 'sha256:' and 64"),
        ({"url": "file:///nothing/x.sh"}, "cannot be downloaded"),
        ({"url": "http://127.0.0.1:9/x.sh"}, "cannot be downloaded"),
        ({"url": "http://u:hunter2@127.0.0.1:9/x.sh"}, "cannot be downloaded"),
    ],
)
def test_what_cannot_be_had_changes_nothing(host: Host, change: dict[str, str], expected: str) -> None:
    failed = host.run({**host.offer("1"), **change}, check="hunter2" not in change.get("url", ""))
    assert expected in failed["msg"]
    assert "hunter2" not in json.dumps(failed)
    assert host.names() == []


def test_a_damaged_installation_is_repaired(host: Host) -> None:
    host.run(host.offer("1"))
    (host.prefix / "bin/python").unlink()
    (host.prefix / "envs/nlp").mkdir()
    assert host.run(host.offer("1"))["reason"] == "the installation was never finished, or is damaged"
    assert (host.prefix / "bin/python").exists()
    assert (host.prefix / "envs/nlp").is_dir()
    assert host.names() == ["conda"]


def test_an_installation_made_by_hand_is_kept(host: Host) -> None:
    host.run(host.offer("1"))
    (host.prefix / installer.MARKER).unlink()
    (host.prefix / "mine").write_text("kept")
    (host.prefix / "envs/nlp").mkdir()
    kept = Path(host.run(host.offer("1"))["kept"])
    assert (kept / "mine").read_text() == "kept"
    assert (host.prefix / "envs/nlp").is_dir()
    assert host.names() == ["conda", "conda.replaced.1"]


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "upgrade"])
def test_a_killed_run_is_finished_by_the_next(host: Host, fresh: bool) -> None:
    if not fresh:
        host.run(host.offer("1"))
        (host.prefix / "envs/nlp").mkdir()
    reached = host.folder / "reached"
    slow = host.offer("2", f'touch "{reached}"; sleep 30')
    process = host.conda.start(module="conda_installation", prefix=str(host.prefix), **slow)
    for _ in range(200):
        if reached.exists():
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    reached.unlink()
    if not fresh:
        assert (host.prefix / "version").read_text() == "1\n"
        assert (host.prefix / "envs/nlp").is_dir()
    host.run(host.offer("2"))
    assert (host.prefix / "version").read_text() == "2\n"
    assert (host.prefix / "envs/nlp").is_dir() is not fresh
    assert host.names() == ["conda"]


@pytest.mark.parametrize("moment", ["before the exchange", "between the exchanges", "after them"])
def test_the_exchange_can_stop_at_any_moment(host: Host, moment: str) -> None:
    """The states between the renames, which a kill hits too rarely to wait for."""
    host.run(host.offer("1"))
    (host.prefix / "envs/nlp").mkdir()
    beside = Path(f"{host.prefix}.next")
    shutil.copytree(host.prefix, beside)
    (beside / "envs/nlp").rmdir()
    (beside / "version").write_text("2\n")
    if moment != "before the exchange":
        installer._swap(str(host.prefix / "envs"), str(beside / "envs"))
    if moment == "after them":
        installer._swap(str(host.prefix), str(beside))
    host.run(host.offer("2"))
    assert (host.prefix / "version").read_text() == "2\n"
    assert (host.prefix / "envs/nlp").is_dir()
    assert host.names() == ["conda"]


def test_the_real_installer_upgrades_a_real_conda(conda: Conda, tmp_path: Path) -> None:
    mirror = json.loads((MIRROR / "mirror.json").read_text())
    prefix = tmp_path / "conda"
    arguments = {"prefix": str(prefix), "url": f"file://{MIRROR}/miniconda/{mirror['installer']}", "checksum": mirror["checksum"]}
    conda.run(module="conda_installation", **arguments)
    local = {"conda_root": str(prefix), "channel_alias": f"file://{conda.channels}"}
    conda.run(name="kept", definition={"channels": ["lab"], "dependencies": ["app"]}, **local)
    marker = prefix / installer.MARKER
    marker.write_text(marker.read_text().replace(mirror["installer"], "Miniconda3-older.sh"))
    assert conda.run(module="conda_installation", **arguments)["changed"]
    listing = subprocess.run([prefix / "bin/conda", "list", "-n", "kept"], capture_output=True, text=True, check=True)
    assert "app" in listing.stdout
    again = conda.run(name="kept", definition={"channels": ["lab"], "dependencies": ["app"]}, **local)
    assert not again["changed"]
