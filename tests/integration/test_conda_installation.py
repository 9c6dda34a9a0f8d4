# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda_installation with the test bed's installer, and with installers that fail."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import (
    base_manifest,
    installer,
    replacement,
    shell_files,
)
from ansible_collections.openlab.research_server.tests.integration import real_conda
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda

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


def test_what_shells_read_follows_the_data(host: Host) -> None:
    """Nothing is made for a shell that is not there, and what a package has brought keeps its text."""
    offer, package, program = host.offer("1"), host.folder / "bash.bashrc", host.folder / "bin/conda"
    host.run(offer)
    package.write_text('[ -z "${PS1-}" ] && return\n')
    program.parent.mkdir()

    def run(prefix: str, **more: t.Any) -> dict[str, t.Any]:
        files = {str(program): f"#!/bin/sh\nexec {prefix}/bin/conda\n", str(host.folder / "fish/conda.fish"): "text\n"}
        listed = [{"path": path, "content": content} for path, content in files.items()]
        readers = [str(package), str(host.folder / "zshenv")]
        return host.run(offer, files=listed, profile_readers=readers, **more)

    checked = run("/opt/a", check=True)
    assert {part["before_header"] for part in checked["diff"]} == {str(program), str(package)}
    assert not program.exists() and package.read_text().startswith("[ -z")
    assert run("/opt/a")["changed"] and not run("/opt/a")["changed"]
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    assert package.read_text() == f'{shell_files.READS_PROFILE}\n[ -z "${{PS1-}}" ] && return\n'
    assert not (host.folder / "fish").exists() and not (host.folder / "zshenv").exists()
    # The prefix has moved.
    assert run("/opt/b")["changed"] and "/opt/a" not in program.read_text()


def forbid_mounts(host: Host, monkeypatch: pytest.MonkeyPatch, also: str = ":") -> None:
    tools = host.folder / "tools"
    tools.mkdir()
    (tools / "unshare").write_text(f"#!/bin/sh\n{also}\nexit 1\n")
    (tools / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


@pytest.mark.parametrize("mounts", [True, False], ids=["mount namespace", "without mounts"])
def test_another_version_replaces_the_base_and_keeps_environments(
    host: Host, monkeypatch: pytest.MonkeyPatch, mounts: bool
) -> None:
    if not mounts:
        forbid_mounts(host, monkeypatch)
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


@pytest.mark.parametrize("missing", ["", "etc/profile.d/conda.sh", "conda-meta/history"])
def test_an_installation_made_by_hand_is_kept(host: Host, missing: str) -> None:
    """Whole or not: nobody can say what it is good for."""
    host.run(host.offer("1"))
    (host.prefix / installer.MARKER).unlink()
    if missing:
        (host.prefix / missing).unlink()
    (host.prefix / "mine").write_text("kept")
    (host.prefix / "envs/nlp").mkdir()
    foretold = host.run(host.offer("1"), check=True)["kept"]
    kept = Path(host.run(host.offer("1"))["kept"])
    assert foretold == str(kept)
    assert (kept / "mine").read_text() == "kept"
    assert (host.prefix / "envs/nlp").is_dir()
    assert host.names() == ["conda", "conda.replaced.1"]


def test_what_no_package_brought_comes_along(host: Host) -> None:
    host.run(host.offer("1"), condarc="channels: [c]\n")
    (host.prefix / "mine").write_text("kept")
    (host.prefix / "old").mkdir()
    (host.prefix / "conda-meta/old-1-0.json").write_text(json.dumps({"files": ["old/lib", "bin/old"]}))
    host.run(host.offer("2"))
    assert (host.prefix / "mine").read_text() == "kept"
    assert (host.prefix / ".condarc").read_text() == "channels: [c]\n"
    assert not (host.prefix / "old").exists()
    assert host.names() == ["conda"]


def test_what_somebody_has_put_deeper_comes_along(host: Host) -> None:
    """Between files of packages and of the installer, which do not."""
    record = {"files": ["etc/conda/activate.d/old.sh", "bin/old"], "name": "old", "version": "1", "build": "0", "channel": "c"}
    packages = f"""
mkdir -p "$prefix/etc/conda/activate.d" "$prefix/share"
touch "$prefix/etc/conda/activate.d/old.sh" "$prefix/bin/old" "$prefix/etc/installer.conf"
echo '{json.dumps(record)}' > "$prefix/conda-meta/old-1-0.json"
"""
    host.run(host.offer("1", packages))
    for name in ("etc/conda/activate.d/lab.sh", "etc/lab/secret", "bin/tool", "share/data/x"):
        (host.prefix / name).parent.mkdir(exist_ok=True)
        (host.prefix / name).write_text("mine")
    (host.prefix / "etc/lab").chmod(0o700)
    (host.prefix / "bin/link").symlink_to("/srv/tool")
    (host.prefix / "bin/python").write_text("not mine")
    host.run(host.offer("2", 'mkdir -p "$prefix/share"'))
    for name in ("etc/conda/activate.d/lab.sh", "etc/lab/secret", "bin/tool", "share/data/x"):
        assert (host.prefix / name).read_text() == "mine"
    assert stat.S_IMODE((host.prefix / "etc/lab").stat().st_mode) == 0o700
    assert (host.prefix / "bin/link").readlink() == Path("/srv/tool")
    assert (host.prefix / "bin/python").read_text() == ""
    for name in ("etc/conda/activate.d/old.sh", "bin/old", "etc/installer.conf", "conda-meta/old-1-0.json"):
        assert not (host.prefix / name).exists()
    assert host.names() == ["conda"]


def tree(folder: Path) -> list[tuple[str, int, str]]:
    """Every file and folder below one, with its number and content."""
    return sorted(
        (str(path.relative_to(folder)), path.lstat().st_ino, path.read_text() if path.is_file() else "")
        for path in folder.rglob("*")
        if not path.name.endswith((".sh", ".lock"))
    )


def somebodys_file(host: Host) -> None:
    host.prefix.write_text("mine")


def somebodys_folder(host: Host) -> None:
    (host.prefix / "envs/nlp").mkdir(parents=True)
    (host.prefix / "results.csv").write_text("mine")


def somebodys_programs(host: Host) -> None:
    """As in a folder that is on everybody's PATH: `conda` is a program that leads to another place."""
    (host.prefix / "bin").mkdir(parents=True)
    (host.prefix / "bin/conda").write_text("#!/bin/sh\nexec /elsewhere/bin/conda\n")
    (host.prefix / "bin/solver").write_text("mine")


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (somebodys_file, "found a file in its place; expected a folder, or nothing"),
        (somebodys_folder, "found what is no conda installation: results.csv; expected one, or an empty folder"),
        (somebodys_programs, "found what is no conda installation: bin; expected one, or an empty folder"),
    ],
)
def test_what_is_no_conda_is_refused(host: Host, put: t.Callable[[Host], None], says: str) -> None:
    put(host)
    before = tree(host.folder)
    for check in (True, False):
        refused = host.run(host.offer("1"), check=check)
        assert says in refused["msg"] and "Nothing has been changed" in refused["msg"]
    assert tree(host.folder) == before


def test_a_disk_that_is_not_mounted_is_named_in_check_mode_too(host: Host) -> None:
    host.prefix = host.folder / "disk" / "conda"
    for check in (True, False):
        refused = host.run(host.offer("1"), check=check)
        assert f"found no folder {host.folder / 'disk'}; expected the one that conda is put into" in refused["msg"]
    assert host.names() == []


@pytest.fixture
def mount(host: Host) -> t.Iterator[t.Callable[[str], Path]]:
    """Give a folder in the prefix, or the prefix itself, a file system of its own."""
    mounted: list[Path] = []

    def run(name: str) -> Path:
        place = host.prefix / name
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
        mounted.append(place)
        return place

    yield run
    for place in reversed(mounted):
        subprocess.run(["umount", place], check=True)


def by_hand(prefix: Path) -> None:
    for name in ("bin/python", "bin/conda", "conda-meta/history", "etc/profile.d/conda.sh", "envs/people/conda-meta/history"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).touch()


@pytest.mark.parametrize("hand_made", [True, False], ids=["made by hand", "empty"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "found a mount point; expected a folder that can be replaced as a whole\nChoose a folder in it: {prefix}/conda."),
        ("envs", "found a mount point in it: {prefix}/envs; expected none"),
        ("pkgs", "found a mount point in it: {prefix}/pkgs; expected none"),
        ("share/data", "found a mount point in it: {prefix}/share/data; expected none"),
    ],
)
def test_a_file_system_in_the_way_is_named_first(
    host: Host, mount: t.Callable[[str], Path], name: str, says: str, hand_made: bool
) -> None:
    mount(name)
    if hand_made:
        by_hand(host.prefix)
    before = tree(host.folder)
    for check in (True, False, False):
        refused = host.run(host.offer("1"), check=check)
        assert says.format(prefix=host.prefix) in refused["msg"]
    assert tree(host.folder) == before
    assert host.names() == ["conda"]


def test_an_environment_may_have_a_file_system_of_its_own(host: Host, mount: t.Callable[[str], Path]) -> None:
    by_hand(host.prefix)
    (mount("envs/large") / "data").write_text("mine")
    assert host.run(host.offer("1"))["kept"]
    assert (host.prefix / "envs/large/data").read_text() == "mine"
    assert host.names() == ["conda", "conda.replaced.1"]


@pytest.mark.parametrize("name", ["envs", "pkgs"])
def test_a_folder_may_be_a_link_to_another_disk(host: Host, name: str) -> None:
    host.run(host.offer("1"))
    (host.folder / "disk.sh").mkdir()
    (host.folder / "disk.sh/people").write_text("mine")
    shutil.rmtree(host.prefix / name)
    (host.prefix / name).symlink_to(host.folder / "disk.sh")
    host.run(host.offer("2"))
    assert (host.prefix / "version").read_text() == "2\n"
    assert (host.prefix / name / "people").read_text() == "mine"
    assert (host.prefix / name).is_symlink()


@pytest.mark.parametrize("name", ["envs", "pkgs"])
@pytest.mark.parametrize(
    ("put", "says"),
    [
        (lambda place: place.symlink_to("/away/disk"), "found a link to /away/disk, where no folder is"),
        (lambda place: place.write_text("mine"), "found a file"),
    ],
    ids=["a disk that is not mounted", "a file"],
)
def test_what_stands_in_the_place_of_peoples_folders_is_not_lost(
    host: Host, name: str, put: t.Callable[[Path], object], says: str
) -> None:
    host.run(host.offer("1"))
    shutil.rmtree(host.prefix / name)
    put(host.prefix / name)
    before = tree(host.folder)
    for check in (True, False):
        refused = host.run(host.offer("2"), check=check)
        assert f"{says} at {host.prefix / name}" in refused["msg"] and "Nothing has been changed" in refused["msg"]
    assert tree(host.folder) == before


@pytest.mark.parametrize("name", ["envs", "pkgs", ""])
def test_an_exchange_that_fails_leaves_all_where_it_was(host: Host, name: str) -> None:
    """The file system refuses for a reason that nobody could foresee."""
    by_hand(host.prefix)
    (host.prefix / "pkgs").mkdir()
    before = tree(host.prefix)
    place = host.prefix / name
    # The module is the parent of the installer, which has a table of mounts of its own.
    offer = host.offer("1", f'nsenter --mount --target $PPID mount --bind "{place}" "{place}"')
    try:
        failed = host.run(offer)
    finally:
        subprocess.run(["umount", place], check=True)
    assert "Everything is where it was" in failed["msg"]
    assert tree(host.prefix) == before
    assert host.names() == ["conda"]
    assert host.run(host.offer("1"))["kept"]


def test_what_was_moved_comes_back_where_the_exchange_fails(host: Host) -> None:
    host.run(host.offer("1"))
    (host.prefix / "etc/lab").mkdir()
    for name in ("mine", "bin/tool", "etc/lab/conf"):
        (host.prefix / name).write_text("mine")
    before, last = tree(host.prefix), host.prefix / "etc/lab"
    offer = host.offer("2", f'nsenter --mount --target $PPID mount --bind "{last}" "{last}"')
    try:
        failed = host.run(offer)
    finally:
        subprocess.run(["umount", last], check=True)
    assert "Everything is where it was" in failed["msg"]
    assert tree(host.prefix) == before
    assert host.names() == ["conda"]


def test_a_place_that_cannot_be_exchanged_is_left_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where the installer would work at the final path."""
    by_hand(host.prefix)
    before = tree(host.prefix)
    forbid_mounts(host, monkeypatch, f'mount --bind "{host.prefix}" "{host.prefix}"')
    try:
        failed = host.run(host.offer("1"))
    finally:
        subprocess.run(["umount", host.prefix], check=True)
    assert "Everything is where it was" in failed["msg"]
    assert tree(host.prefix) == before
    assert host.names() == ["conda", "tools"]


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
        replacement._swap(str(host.prefix / "envs"), str(beside / "envs"))
    if moment == "after them":
        replacement._swap(str(host.prefix), str(beside))
    host.run(host.offer("2"))
    assert (host.prefix / "version").read_text() == "2\n"
    assert (host.prefix / "envs/nlp").is_dir()
    assert host.names() == ["conda"]


def test_a_foreign_installation_is_kept_whenever_the_exchange_is_killed(host: Host) -> None:
    host.run(host.offer("1"))
    beside = Path(f"{host.prefix}.next")
    by_hand(beside)
    (beside / "mine").write_text("kept")
    assert host.run(host.offer("1"))["kept"] == f"{host.prefix}.replaced.1"
    assert Path(f"{host.prefix}.replaced.1/mine").read_text() == "kept"
    assert (host.prefix / "envs/people").is_dir()
    assert host.names() == ["conda", "conda.replaced.1"]


@pytest.fixture(scope="module")
def base(conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """A real installation of its own, and what it was made with."""
    prefix = tmp_path_factory.mktemp("base") / "conda"
    arguments = {"module": "conda_installation", "prefix": str(prefix), **real_conda.installer()}
    assert conda.run(**arguments)["changed"]
    return arguments


def by_pip(conda: Conda, prefix: Path) -> None:
    command = [str(prefix / "bin/python"), "-m", "pip", "install", "--no-index", f"--find-links={conda.wheels}", "tiny==1.0"]
    subprocess.run(command, check=True, capture_output=True)


def by_conda(conda: Conda, prefix: Path) -> None:
    """As somebody who wants a tool for all; conda changes no file of another package for it."""
    command = [
        str(prefix / "bin/conda"),
        "install",
        "--yes",
        "--prefix",
        str(prefix),
        "--channel",
        f"file://{conda.channels}/lab",
    ]
    subprocess.run([*command, "--override-channels", "single"], check=True, capture_output=True, env={"HOME": str(conda.home)})


def wrapped(conda: Conda, prefix: Path) -> None:
    (prefix / "bin/conda").write_text(f'#!/bin/sh\nexec {prefix}/bin/python -m conda "$@"\n')


def appended(conda: Conda, prefix: Path) -> None:
    with (prefix / "etc/profile.d/conda.sh").open("a") as file:
        file.write("alias python=evil\n")


def deleted(conda: Conda, prefix: Path) -> None:
    next(prefix.glob("lib/python3*/site-packages/conda/base/context.py")).unlink()


def another_version(conda: Conda, prefix: Path) -> None:
    """As it is after `conda update conda`."""
    (record,) = prefix.glob("conda-meta/conda-[0-9]*.json")
    content = json.loads(record.read_text())
    record.unlink()
    record.with_name("conda-99.1.0-0.json").write_text(json.dumps({**content, "version": "99.1.0"}))


# (reason, what the diff says that is, what should be)
CHANGES: dict[t.Callable[[Conda, Path], None], tuple[str, str, str]] = {
    by_pip: ("pip package tiny 1.0 pypi_0 pypi was added", "tiny 1.0 pypi_0 pypi", ""),
    by_conda: ("conda package single 1.0 0 file:.* was added", "single 1.0 0 file:.*", ""),
    another_version: (
        "conda package conda [^;]* is missing; conda package conda 99.1.0 .* was added",
        "conda 99.1.0 .*",
        "conda .*",
    ),
    wrapped: (
        "1 file is not as installed: bin/conda .altered.",
        "conda conda bin/conda: altered, sha256:.*",
        "conda conda bin/conda: as installed, sha256:.*",
    ),
    appended: (
        "1 file is not as installed: etc/profile.d/conda.sh .altered.",
        "conda .*etc/profile.d/conda.sh: altered, sha256:.*",
        "conda .*etc/profile.d/conda.sh: as installed, sha256:.*",
    ),
    deleted: (
        "1 file is not as installed: lib/python.*/site-packages/conda/base/context.py .missing.",
        "conda conda lib/.*/context.py: missing",
        "conda conda lib/.*/context.py: as installed, sha256:.*",
    ),
}


@pytest.mark.cases(3)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_somebody_changed_in_conda_itself_is_told_and_undone(
    conda: Conda, base: dict[str, t.Any], change: t.Callable[[Conda, Path], None]
) -> None:
    reason, is_, should_be = CHANGES[change]
    prefix = Path(base["prefix"])
    (prefix / "envs/nlp").mkdir(exist_ok=True)
    for level in ("files", "full"):
        assert not conda.run(**base, verify=level)["changed"]
    change(conda, prefix)
    assert not conda.run(**base)["changed"]
    nightly = conda.run(check=True, **base, verify="files")
    assert re.fullmatch(reason, nightly["reason"])
    assert re.search(f"(?m)^{is_}$", nightly["diff"][1]["before"])
    assert re.search(f"(?m)^{should_be}$", nightly["diff"][1]["after"])
    assert "site.yml with -e miniconda_verify=full" in nightly["diff"][1]["after"]
    repaired = conda.run(**base, verify="full")
    assert (repaired["reason"], repaired["kept"]) == (nightly["reason"], "")
    assert not conda.run(**base, verify="full")["changed"]
    assert (prefix / "envs/nlp").is_dir()
    assert subprocess.run([prefix / "bin/conda", "--version"], check=True, capture_output=True).stdout


@pytest.mark.parametrize("folder", [".", "etc/profile.d"])
def test_a_conda_that_is_closed_to_people_is_told_and_opened(conda: Conda, base: dict[str, t.Any], folder: str) -> None:
    """Root, who runs the module, gets in whatever the mode is."""
    passage = Path(base["prefix"], folder).resolve()
    passage.chmod(0)
    checked = conda.run(check=True, **base)
    assert checked["changed"] and checked["diff"][-1]["before_header"] == str(passage)
    assert "mode 0000" in checked["diff"][-1]["before"] and "mode 0755" in checked["diff"][-1]["after"]
    assert stat.S_IMODE(passage.stat().st_mode) == 0
    assert conda.run(**base)["changed"] and stat.S_IMODE(passage.stat().st_mode) == 0o755
    assert not conda.run(**base)["changed"]


def test_an_installation_of_an_earlier_version_is_known_by_its_files_alone(conda: Conda, base: dict[str, t.Any]) -> None:
    prefix = Path(base["prefix"])
    (prefix / base_manifest.INSTALLED).unlink()
    by_pip(conda, prefix)
    assert not conda.run(**base, verify="full")["changed"]
    deleted(conda, prefix)
    assert "context.py (missing)" in conda.run(**base, verify="full")["reason"]
    assert (prefix / base_manifest.INSTALLED).is_file()
    assert not conda.run(**base, verify="files")["changed"]


def test_what_a_task_adds_to_conda_itself_is_right(conda: Conda, base: dict[str, t.Any]) -> None:
    prefix = Path(base["prefix"])
    add = {"name": "base", "allow_base": True, "conda_root": str(prefix), "channel_alias": f"file://{conda.channels}"}
    appended(conda, prefix)
    assert conda.run(**add, definition={"channels": ["lab"], "dependencies": ["part1"]})["changed"]
    # What was damaged before is so afterwards.
    found = conda.run(check=True, **base, verify="full")
    assert found["reason"] == "1 file is not as installed: etc/profile.d/conda.sh (altered)"
    assert "part1" not in found["diff"][1]["before"]
    assert conda.run(**base, verify="full")["changed"]
    by_conda(conda, prefix)
    assert conda.run(**add, definition={"channels": ["lab"], "dependencies": ["part2"]})["changed"]
    assert "single" in conda.run(**base, verify="full")["reason"]


def test_the_real_installer_upgrades_a_real_conda(conda: Conda, tmp_path: Path) -> None:
    prefix = tmp_path / "conda"
    arguments = {"prefix": str(prefix), **real_conda.installer()}
    conda.run(module="conda_installation", **arguments)
    local = {"conda_root": str(prefix), "channel_alias": f"file://{conda.channels}"}
    conda.run(name="kept", definition={"channels": ["lab"], "dependencies": ["app"]}, **local)
    marker = prefix / installer.MARKER
    marker.write_text(marker.read_text().replace(Path(arguments["url"]).name, "Miniconda3-older.sh"))
    assert conda.run(module="conda_installation", **arguments)["changed"]
    listing = subprocess.run([prefix / "bin/conda", "list", "-n", "kept"], capture_output=True, text=True, check=True)
    assert "app" in listing.stdout
    again = conda.run(name="kept", definition={"channels": ["lab"], "dependencies": ["app"]}, **local)
    assert not again["changed"]
