# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import stat
import tarfile
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import archive
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.task import Task
from ansible_collections.openlab.research_server.plugins.modules.conda_env import ARGUMENTS

FILE, FOLDER, LINK, HARD, FIFO, DEVICE = (
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
)


def pack(folder: Path, *entries: tuple[str, bytes, str], mode: int = 0o4777) -> str:
    path = folder / "env.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name, kind, text in entries:
            item = tarfile.TarInfo(name)
            item.type, item.mode, item.mtime, item.uid, item.gid = kind, mode, 1000, 4321, 4321
            if kind == FILE:
                item.size = len(text)
                file.addfile(item, io.BytesIO(text.encode()))
            else:
                item.linkname = text
                file.addfile(item)
    return str(path)


def test_files_folders_and_links_come_out(tmp_path: Path) -> None:
    entries = [
        ("./bin/", FOLDER, ""),
        ("./bin/tool", FILE, "text"),
        ("lib/link", LINK, "../bin/tool"),
        ("lib/folder", LINK, "../bin"),
        ("lib/dangling", LINK, "nothing"),
        ("bin/same", HARD, "bin/tool"),
        (".conda_env.json", FILE, "{}"),
        ("conda-meta/frozen", FILE, "{}"),
    ]
    prefix = tmp_path / "prefix"
    archive.unpack(pack(tmp_path, *entries), str(prefix))
    status = (prefix / "bin/tool").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime, status.st_uid) == (0o755, 1000, os.geteuid())
    assert (prefix / "lib/link").read_text() == (prefix / "bin/same").read_text() == "text"
    assert (prefix / "lib/folder/tool").exists()
    assert not (prefix / ".conda_env.json").exists()
    assert not (prefix / "conda-meta").exists()


@pytest.mark.parametrize(
    "entries",
    [
        [("../evil", FILE, "x")],
        [("a/../../evil", FILE, "x")],
        [("/evil", FILE, "x")],
        [("a", LINK, "/etc")],
        [("a", LINK, "..")],
        [("a/b", LINK, "../../x")],
        [("a", LINK, ".."), ("a/evil", FILE, "x")],
        [("s", LINK, "."), ("s/up", LINK, "..")],
        [("s", LINK, "."), ("s/up", LINK, ".."), ("up/evil", LINK, "x")],
        [("deep/er/", FOLDER, ""), ("l", LINK, "deep/er"), ("m", LINK, "l/../../..")],
        [("a", HARD, "../victim")],
        [("a", HARD, "/etc/passwd")],
        [("a", FIFO, "")],
        [("a", DEVICE, "")],
        [("a\\..\\evil", FILE, "x")],
    ],
)
def test_nothing_gets_out_of_the_folder(tmp_path: Path, entries: list[tuple[str, bytes, str]]) -> None:
    (tmp_path / "victim").write_text("kept")
    before = {str(path) for path in tmp_path.iterdir()} | {str(tmp_path / "env.tar.gz"), str(tmp_path / "prefix")}
    with pytest.raises(CondaEnvError, match="not safe to unpack"):
        archive.unpack(pack(tmp_path, *entries), str(tmp_path / "prefix"))
    assert {str(path) for path in tmp_path.iterdir()} <= before


def test_a_file_stands_where_a_link_was_to_be(tmp_path: Path) -> None:
    with pytest.raises(CondaEnvError, match="twice"):
        archive.unpack(pack(tmp_path, ("a", LINK, "b"), ("a", FILE, "x")), str(tmp_path / "prefix"))


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_an_archive_that_cannot_be_read_is_one_message(tmp_path: Path, damage: str) -> None:
    path = Path(pack(tmp_path, ("a", FILE, "x" * 5000), ("b", FILE, os.urandom(20000).hex())))
    path.write_bytes({"cut": path.read_bytes()[:9000], "text": b"no archive", "empty": b""}[damage])
    with pytest.raises(CondaEnvError, match="read"):
        archive.unpack(str(path), str(tmp_path / "prefix"))


@pytest.mark.parametrize(("name", "mode", "safe"), [("bin/a", 0o100755, True), ("../a", 0o100644, False), ("a", 0o120777, False)])
def test_zip(tmp_path: Path, name: str, mode: int, safe: bool) -> None:
    item = zipfile.ZipInfo(name)
    item.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "env.zip", "w") as file:
        file.writestr(item, "/etc/passwd")
    if safe:
        archive.unpack(str(tmp_path / "env.zip"), str(tmp_path / "prefix"))
        assert (tmp_path / "prefix/bin/a").stat().st_mode & 0o777 == 0o755
        return
    with pytest.raises(CondaEnvError, match="not safe"):
        archive.unpack(str(tmp_path / "env.zip"), str(tmp_path / "prefix"))


def test_packages_are_known_without_unpacking_all(tmp_path: Path) -> None:
    info = "lib/python3.11/site-packages/tiny-1.0.dist-info"
    entries = [
        (
            "conda-meta/lib-1.0-0.json",
            FILE,
            '{"name": "lib", "version": "1.0", "build": "0", "url": "file:///c/noarch/lib.conda"}',
        ),
        (f"{info}/METADATA", FILE, "Name: tiny\nVersion: 1.0\n"),
        (f"{info}/INSTALLER", FILE, "pip\n"),
        ("bin/tool", FILE, "x"),
    ]
    assert archive.lines(pack(tmp_path, *entries), str(tmp_path / "s")) == ("lib 1.0 0 file:///c", "pip: tiny==1.0")
    assert not (tmp_path / "s/archive/bin").exists()


def archive_of(**chosen: t.Any) -> archive.Archive:
    defaults = {name: option.get("default") for name, option in ARGUMENTS.items()}
    found = Task({**defaults, "name": "nlp", "remote_src": True, **chosen}).archive
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"definition": {}}, "found 'archive' and 'definition'"),
        ({"archive": "/nowhere"}, "no archive /nowhere on the host"),
        ({"remote_src": False}, "not looked for on the controller"),
        ({"checksum": "md5:0"}, "expected 'sha256:'"),
        ({"checksum": "sha256:" + "0" * 64}, "not what was announced"),
        ({"remote_src": False, "archive_facts": {"sha256": "0" * 64, "file": True}}, "changed on its way"),
    ],
)
def test_an_archive_that_is_not_the_one(tmp_path: Path, more: dict[str, t.Any], expected: str) -> None:
    path = pack(tmp_path, ("a", FILE, "x"))
    if "archive_facts" in more:
        more = {**more, "archive_facts": {**more["archive_facts"], "file": path}}
    with pytest.raises(CondaEnvError, match=expected):
        archive_of(**{"archive": path, **more})


def test_the_archive_of_a_task(tmp_path: Path) -> None:
    path = pack(tmp_path, ("a", FILE, "x"))
    found = archive_of(archive=path)
    assert archive_of(archive=path, checksum=f"sha256:{found.sha256}") == found
    facts = {"sha256": found.sha256}
    known = archive_of(archive="env.tar.gz", remote_src=False, archive_facts=facts)
    assert (known.digest(), known.file, known.lines) == (found.digest(), "", None)
