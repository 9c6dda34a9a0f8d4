# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import shutil
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import damage, manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.damage import Notes
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import Problem

SITE = "lib/python3.11/site-packages"
NUMPY = f"{SITE}/numpy/__init__.py"
TINY = f"{SITE}/tiny.py"
# By conda, that of a package.
LONG_AGO = 1_600_000_000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclasses.dataclass
class Prefix:
    """An environment with one package of conda and one of pip, and the notes of its installation."""

    path: Path
    notes: Notes

    def file(self, path: str) -> Path:
        return self.path / path

    def found(self, level: str = "files", day: int | None = None) -> list[str]:
        """What is found on a day that is not the file's own, unless the test names one."""
        days = range(7) if day is None else (day,)
        seen = [[damage.line(item) for item in damage.find(str(self.path), level, self.notes, each)] for each in days]
        # What differs between days is a matter of the share.
        return [line for line in seen[0] if all(line in other for other in seen)]

    def put(self, path: str, data: bytes) -> None:
        """New content with the old times, as somebody writes who wants to hide it."""
        status = self.file(path).stat()
        self.file(path).write_bytes(data)
        os.utime(self.file(path), ns=(status.st_atime_ns, status.st_mtime_ns))


def make(path: Path) -> Prefix:
    files: dict[str, tuple[bytes, dict[str, t.Any]]] = {
        NUMPY: (b"version = 1\n", {}),
        "lib/libblas.so.3": (b"\x7fELF blas", {}),
        "bin/tool": (b"#!/short/bin/python\n", {"prefix_placeholder": "/placeholder", "file_mode": "text"}),
        "lib/prog": (b"\x7fELF prog\0\0\0\0", {"prefix_placeholder": "/placeholder", "file_mode": "binary"}),
        "share/empty": (b"", {}),
    }
    paths: list[dict[str, t.Any]] = [
        {"_path": "lib/libblas.so", "path_type": "softlink", "size_in_bytes": 9, "sha256": "0" * 64},
        {"_path": "lib64", "path_type": "softlink", "size_in_bytes": 0},
        {"_path": "lib64/cfg", "path_type": "hardlink", "size_in_bytes": 3, "sha256_in_prefix": sha256(b"cfg")},
        {"_path": "bin/entry", "path_type": "unix_python_entry_point"},
        {"_path": f"{SITE}/numpy/__pycache__/__init__.cpython-311.pyc", "path_type": "pyc_file"},
    ]
    for name, (data, more) in files.items():
        # The size is that before the prefix was written into the file.
        size = len(data) + (20 if more.get("file_mode") == "text" else 0)
        paths.append({"_path": name, "path_type": "hardlink", "size_in_bytes": size, "sha256_in_prefix": sha256(data), **more})
        put(path / name, data)
    put(path / "lib/cfg", b"cfg")
    put(path / "bin/entry", b"#!/x/bin/python\nimport numpy\n")
    (path / "lib/libblas.so").symlink_to("libblas.so.3")
    (path / "lib64").symlink_to("lib")
    record = {"name": "numpy", "version": "1", "build": "0", "files": list(files), "paths_data": {"paths": paths}}
    put(path / "conda-meta/numpy-1-0.json", json.dumps(record).encode())
    put(path / TINY, b"tiny = 1\n")
    info = f"{SITE}/tiny-1.0.dist-info"
    put(path / info / "METADATA", b"Name: tiny\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"tiny = 1\n").digest()).rstrip(b"=").decode()
    put(path / info / "RECORD", f"tiny.py,sha256={digest},9\n../../../bin/tiny,,\n{info}/RECORD,,\n".encode())
    put(path / "bin/tiny", b"#!/x/bin/python\nimport tiny\n")
    return Prefix(path, damage.first_look(str(path), ["etc/profile.d/conda.sh"]))


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if path.parent.name == "bin" else 0o644)
    os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    path = tmp_path / "prefix"
    put(path / "etc/profile.d/conda.sh", b"export CONDA_EXE=conda\n")
    return make(path)


def test_what_was_just_installed_is_right(prefix: Prefix) -> None:
    assert prefix.notes.known == ()
    assert [path for path, _seen in prefix.notes.made] == [
        "bin/entry",
        "bin/tiny",
        "etc/profile.d/conda.sh",
        "lib/libblas.so",
        "lib64",
    ]
    for level in ("files", "full"):
        assert prefix.found(level) == []


def linked(prefix: Prefix, path: str) -> None:
    """As a file that leads to a copy of itself, elsewhere."""
    own = prefix.file(path)
    shutil.move(own, prefix.path.parent / "elsewhere")
    own.symlink_to(prefix.path.parent / "elsewhere")


def pipe(prefix: Prefix, path: str) -> None:
    prefix.file(path).unlink()
    os.mkfifo(prefix.file(path))


def folder(prefix: Prefix, path: str) -> None:
    prefix.file(path).unlink()
    prefix.file(path).mkdir()


def filed(prefix: Prefix, path: str) -> None:
    prefix.file(path).unlink()
    put(prefix.file(path), b"x")


def led_to(prefix: Prefix, path: str, target: str) -> None:
    prefix.file(path).unlink()
    prefix.file(path).symlink_to(target)


def sparse(prefix: Prefix, path: str) -> None:
    """A file that takes no room, and more than a night to read."""
    prefix.put(path, b"")
    os.truncate(prefix.file(path), 1 << 42)


def later(prefix: Prefix, path: str, do: t.Callable[[Path], object]) -> None:
    """The kernel's clock for files ticks some hundred times a second."""
    do(prefix.file(path))
    while prefix.file(path).stat().st_ctime_ns <= prefix.notes.finished_ns:
        do(prefix.file(path))


def altered(path: str, data: bytes) -> str:
    return f"{path} (altered) sha256:{sha256(data)}"


Spoil = t.Callable[[Prefix], object]


def rewritten(path: str, data: bytes) -> tuple[Spoil, str]:
    """Another content, with the old times."""
    return lambda it: it.put(path, data), altered(path, data)


# Found by each night's look, whatever the day.
NIGHTLY: dict[str, tuple[Spoil, str]] = {
    "deleted": (lambda it: it.file(NUMPY).unlink(), f"{NUMPY} (missing)"),
    "its folder, too": (lambda it: shutil.rmtree(it.file(NUMPY).parent), f"{NUMPY} (missing)"),
    "longer": rewritten(NUMPY, b"version = 1\nimport evil\n"),
    "same length": (lambda it: it.file(NUMPY).write_bytes(b"version = (\n"), altered(NUMPY, b"version = (\n")),
    "emptied": rewritten(NUMPY, b""),
    "no longer empty": rewritten("share/empty", b"x"),
    "a link to the same": (lambda it: linked(it, NUMPY), f"{NUMPY} (altered) a link -> {{elsewhere}}"),
    "a pipe": (lambda it: pipe(it, NUMPY), f"{NUMPY} (altered) a pipe"),
    "a folder": (lambda it: folder(it, NUMPY), f"{NUMPY} (altered) a folder"),
    "a link in a folder's place": (lambda it: linked(it, f"{SITE}/numpy"), f"{SITE}/numpy (linked) a link -> {{elsewhere}}"),
    "text with the prefix in it": rewritten("bin/tool", b"#!/other/bin/python\n"),
    "text with the prefix in it, of the size that it had before": rewritten("bin/tool", b"#!/short/bin/python\n" + b"#" * 20),
    "program with the prefix in it": rewritten("lib/prog", b"\x7fELF"),
    "a wrapper for a program that has no hash": rewritten("bin/entry", b"#!/x/bin/python\nimport tinyy\n"),
    "a script of pip that has no hash": (lambda it: it.file("bin/tiny").unlink(), "bin/tiny (missing)"),
    "a file of pip": rewritten(TINY, b"tiny = 1 \n"),
    "what no record has": rewritten("etc/profile.d/conda.sh", b"evil\n"),
    "a link that leads elsewhere": (lambda it: led_to(it, "lib/libblas.so", "prog"), "lib/libblas.so (altered) -> prog"),
    "a link to a folder that leads elsewhere": (lambda it: led_to(it, "lib64", "share"), "lib64 (altered) -> share"),
    "a file in a link's place": (
        lambda it: filed(it, "lib/libblas.so"),
        "lib/libblas.so (altered) a file",
    ),
    "endless": (lambda it: sparse(it, "lib/libblas.so.3"), f"lib/libblas.so.3 (altered) {1 << 42} bytes"),
    "endless, of no known size": (lambda it: sparse(it, "bin/tool"), f"bin/tool (altered) {1 << 42} bytes"),
    "endless, of no size at all": (lambda it: sparse(it, "bin/entry"), f"bin/entry (altered) {1 << 42} bytes"),
    "a program that cannot be started": (
        lambda it: it.file("bin/entry").chmod(0o644),
        "bin/entry (altered) mode 0644",
    ),
    "byte code without a source": (
        lambda it: later(it, f"{SITE}/numpy/evil.pyc", lambda path: put(path, b"x")),
        f"{SITE}/numpy/evil.pyc (unknown) byte code without a source",
    ),
    "an unusable record": (
        lambda it: it.file("conda-meta/numpy-1-0.json").write_bytes(b"{"),
        "conda-meta/numpy-1-0.json: no record of a package (unusable record)",
    ),
    "a record that is a pipe": (
        lambda it: pipe(it, "conda-meta/numpy-1-0.json"),
        "conda-meta/numpy-1-0.json: no record of a package (unusable record)",
    ),
    "a list of pip that is a link": (
        lambda it: linked(it, f"{SITE}/tiny-1.0.dist-info/RECORD"),
        f"{SITE}/tiny-1.0.dist-info/RECORD: Too many levels of symbolic links (unusable record)",
    ),
}


@pytest.mark.parametrize("case", NIGHTLY)
@pytest.mark.parametrize("level", ["files", "full"])
def test_it_is_found_whatever_the_day(prefix: Prefix, case: str, level: str) -> None:
    spoil, expected = NIGHTLY[case]
    spoil(prefix)
    assert expected.format(elsewhere=prefix.path.parent / "elsewhere") in prefix.found(level)


def test_one_thing_is_told_once(prefix: Prefix) -> None:
    linked(prefix, f"{SITE}/numpy")
    # What is below a link that leads elsewhere is not looked at: it may be anybody's.
    led_to(prefix, "lib64", "share")
    assert prefix.found() == [
        f"{SITE}/numpy (linked) a link -> {prefix.path.parent / 'elsewhere'}",
        "lib64 (altered) -> share",
    ]


def test_a_forged_file_is_found_within_a_week_and_by_a_full_look_at_once(prefix: Prefix) -> None:
    prefix.put(NUMPY, b"version = (\n")
    assert prefix.found("full", 0)
    days = [day for day in range(20_000, 20_007) if prefix.found("files", day)]
    assert len(days) == 1
    assert prefix.found("files", days[0] + 7)


def test_today_is_a_day(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix.put(NUMPY, b"version = (\n")
    seen = 0
    for day in range(7):
        monkeypatch.setattr(time, "time", lambda day=day: (20_000 + day) * 86400 + 7200)
        seen += len(damage.find(str(prefix.path), "files", prefix.notes))
    assert seen == 1


def test_a_script_that_is_there_to_be_read_need_not_start(prefix: Prefix) -> None:
    prefix.put("bin/entry", b"#!/bin/sh\n. activate\n")
    prefix.file("bin/entry").chmod(0o644)
    assert not any("mode" in line for line in prefix.found())


def test_a_program_that_could_not_be_started_from_the_start_is_no_damage(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.file("bin/entry").chmod(0o644)
    made.notes = damage.first_look(str(made.path))
    assert made.notes.known == ("bin/entry (altered) mode 0644",)
    assert made.found() == []


def test_what_differed_from_the_start_is_no_damage_until_it_differs_again(tmp_path: Path) -> None:
    path = tmp_path / "prefix"
    first = make(path)
    # The size is the recorded one.
    first.file(NUMPY).write_bytes(b"version = 2\n")
    prefix = Prefix(path, damage.first_look(str(path)))
    assert len(prefix.notes.known) == 1
    for level in ("files", "full"):
        assert prefix.found(level) == []
    prefix.put(NUMPY, b"version = 3\n")
    for level in ("files", "full"):
        assert len(prefix.found(level)) == 1


def test_of_an_earlier_version_a_program_without_a_hash_is_known_by_its_time(prefix: Prefix) -> None:
    prefix.notes = Notes(prefix.notes.finished_ns)
    assert prefix.found() == []
    prefix.put("bin/entry", b"#!/bin/sh\n")
    assert prefix.found() == []
    prefix.file("bin/entry").write_bytes(b"#!/bin/sh\n")
    assert prefix.found() == ["bin/entry (altered) written later"]


def test_an_earlier_version_wrote_its_manifest_last(prefix: Prefix) -> None:
    state = manifest.take(str(prefix.path), "00", (), ())
    manifest.write(state)
    assert (state.finished_ns, damage.of(state, "files")) == (0, ())
    prefix.file("bin/entry").write_bytes(b"#!/bin/sh\n")
    assert [damage.line(item) for item in damage.of(state, "files")] == ["bin/entry (altered) written later"]
    assert damage.of(state, "metadata") == ()


def test_byte_code_is_made_again_by_anyone_who_may(prefix: Prefix) -> None:
    put(prefix.file(f"{SITE}/numpy/__pycache__/__init__.cpython-311.pyc"), b"other")
    assert prefix.found("full") == []


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
def test_a_path_that_is_none_makes_the_record_unusable(prefix: Prefix, path: str) -> None:
    record = {"name": "x", "version": "1", "build": "0", "paths_data": {"paths": [{"_path": path, "sha256": "0" * 64}]}}
    put(prefix.file("conda-meta/x-1-0.json"), json.dumps(record).encode())
    (line,) = prefix.found()
    assert line.endswith("(unusable record)")


def problems(count: int) -> tuple[Problem, ...]:
    return tuple(Problem(f"lib/{number:02}", "numpy", "conda", "altered", "sha256:11", "sha256:00") for number in range(count))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, ()),
        (1, ("1 file is not as installed: lib/00 (altered)",)),
        (2, ("2 files are not as installed: lib/00 (altered), lib/01 (altered)",)),
        (6, ("6 files are not as installed: " + ", ".join(f"lib/0{number} (altered)" for number in range(5)) + ", ...",)),
    ],
)
def test_reasons(count: int, expected: tuple[str, ...]) -> None:
    assert damage.reasons(problems(count)) == expected


def test_a_difference_names_package_path_what_is_and_what_should_be() -> None:
    assert damage.sides(problems(1)) == (
        ("conda numpy lib/00: altered, sha256:00",),
        ("conda numpy lib/00: as installed, sha256:11",),
    )
    before, after = damage.sides(problems(25))
    assert (len(before), len(after)) == (21, 20)
    assert before[-1] == "and 5 more files that are not as installed"
    assert damage.sides(()) == ((), ())
