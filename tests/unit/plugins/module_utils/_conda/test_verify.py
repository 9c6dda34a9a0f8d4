# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import verify
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import Expected

PLACE = "lib/python3.11/site-packages"
GOOD = hashlib.sha256(b"good").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()

PATHS: dict[str, tuple[dict[str, t.Any], list[tuple[str, str]]]] = {
    "plain": ({"paths": [{"_path": "bin/x", "sha256_in_prefix": GOOD}]}, [("bin/x", GOOD)]),
    "prefix replaced": (
        {"paths": [{"_path": "bin/x", "sha256": OTHER, "sha256_in_prefix": GOOD, "prefix_placeholder": "/p"}]},
        [("bin/x", GOOD)],
    ),
    "recorded as packed": ({"paths": [{"_path": "bin/x", "sha256": GOOD}]}, [("bin/x", GOOD)]),
    "replaced, hash not recorded": (
        {"paths": [{"_path": "bin/x", "sha256": OTHER, "prefix_placeholder": "/p"}]},
        [("bin/x", "")],
    ),
    "link": ({"paths": [{"_path": "lib/x.so", "path_type": "softlink", "sha256_in_prefix": GOOD}]}, [("lib/x.so", "")]),
    "entry point": ({"paths": [{"_path": "bin/x", "path_type": "unix_python_entry_point"}]}, [("bin/x", "")]),
    "byte code": ({"paths": [{"_path": "a.pyc", "path_type": "pyc_file"}]}, []),
    "noarch, as conda": (
        {"noarch": "python", "paths": [{"_path": "site-packages/x.py", "sha256_in_prefix": GOOD}]},
        [(f"{PLACE}/x.py", GOOD)],
    ),
    "noarch, translated": (
        {"noarch": "python", "paths": [{"_path": f"{PLACE}/x.py", "sha256_in_prefix": GOOD}]},
        [(f"{PLACE}/x.py", GOOD)],
    ),
    "noarch script": ({"noarch": "python", "paths": [{"_path": "python-scripts/x", "sha256": GOOD}]}, [("bin/x", GOOD)]),
    "generic keeps its folder": (
        {"noarch": "generic", "paths": [{"_path": "site-packages/x.py", "sha256": GOOD}]},
        [("site-packages/x.py", GOOD)],
    ),
    "noarch, place from its list": (
        {
            "noarch": "python",
            "files": ["bin/x", "lib/python3.13t/site-packages/x.py"],
            "paths": [{"_path": "site-packages/x.py", "sha256": GOOD}],
        },
        [("lib/python3.13t/site-packages/x.py", GOOD)],
    ),
    "list of files only": ({"files": ["bin/x", "lib/a.pyc"]}, [("bin/x", "")]),
}


@pytest.mark.parametrize("case", PATHS)
def test_files_of_a_conda_record(case: str) -> None:
    content, wanted = PATHS[case]
    record: dict[str, t.Any] = {"name": "x", **content}
    if "paths" in record:
        record["paths_data"] = {"paths": record.pop("paths")}
    assert [(item.path, item.digest) for item in verify.conda_files(record, [PLACE])] == wanted


EXACT: dict[str, tuple[dict[str, t.Any], bool]] = {
    "plain": ({"size_in_bytes": 4, "sha256_in_prefix": GOOD}, True),
    "empty": ({"size_in_bytes": 0, "sha256_in_prefix": GOOD}, True),
    "no size": ({"sha256_in_prefix": GOOD}, False),
    "no hash": ({"size_in_bytes": 4}, False),
    "text": ({"size_in_bytes": 4, "sha256_in_prefix": GOOD, "prefix_placeholder": "/p", "file_mode": "text"}, False),
    "program": ({"size_in_bytes": 4, "sha256_in_prefix": GOOD, "prefix_placeholder": "/p", "file_mode": "binary"}, True),
    "link": ({"size_in_bytes": 4, "sha256": GOOD, "path_type": "softlink"}, False),
}


@pytest.mark.parametrize("case", EXACT)
def test_a_size_says_something_where_no_prefix_was_written_into_a_text(case: str) -> None:
    content, exact = EXACT[case]
    record = {"name": "x", "paths_data": {"paths": [{"_path": "bin/x", **content}]}}
    assert [item.exact for item in verify.conda_files(record)] == [exact]


def encoded(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}={base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b'=').decode()}"


RECORDS = {
    "hash": (f"x.py,{encoded(b'good')},4", [(f"{PLACE}/x.py", "sha256", GOOD)]),
    "longer hash": (f"x.py,{encoded(b'good', 'sha512')},4", [(f"{PLACE}/x.py", "sha512", hashlib.sha512(b"good").hexdigest())]),
    "script": (f"../../../bin/x,{encoded(b'good')},4", [("bin/x", "sha256", GOOD)]),
    "comma": (f'"a,b.py",{encoded(b"good")},4', [(f"{PLACE}/a,b.py", "sha256", GOOD)]),
    "no hash": ("x.py,,", [(f"{PLACE}/x.py", "sha256", "")]),
    "path alone": ("x.py", [(f"{PLACE}/x.py", "sha256", "")]),
    "byte code": ("__pycache__/x.cpython-311.pyc,,", []),
    "itself": ("x-1.dist-info/RECORD,,", []),
    "outside": ("/etc/passwd,,", []),
    "empty line": ("\n", []),
}


@pytest.mark.parametrize("case", RECORDS)
def test_files_of_a_pip_record(case: str) -> None:
    text, wanted = RECORDS[case]
    assert [(item.path, item.algorithm, item.digest) for item in verify.pip_files(text, "x", PLACE)] == wanted


@pytest.mark.parametrize(("text", "exact"), [(f"x.py,{encoded(b'good')},4", True), ("x.py,,4", False), ("x.py,,", False)])
def test_pip_records_the_size_of_what_it_installs(text: str, exact: bool) -> None:
    assert [item.exact for item in verify.pip_files(text, "x", PLACE)] == [exact]


@pytest.mark.parametrize(("text", "word"), [("x.py,md5=abc,4", "expected one of"), ("x.py,sha256=abcde,4", "base64")])
def test_a_hash_that_is_none_is_named(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        list(verify.pip_files(text, "x", PLACE))


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.rename(path.with_name("cached"))
    path.symlink_to("cached")


DAMAGE: dict[str, tuple[t.Callable[[Path], object], str, str]] = {
    "nothing": (lambda path: None, "", ""),
    "linked to the same": (link, "", ""),
    "edited": (lambda path: path.write_bytes(b"other"), "altered", f"sha256:{OTHER}"),
    "same length": (lambda path: path.write_bytes(b"evil"), "altered", f"sha256:{hashlib.sha256(b'evil').hexdigest()}"),
    "emptied": (lambda path: path.write_bytes(b""), "altered", f"sha256:{hashlib.sha256(b'').hexdigest()}"),
    "deleted": (lambda path: path.unlink(), "missing", ""),
    "pipe": (fifo, "altered", ""),
    "directory": (folder, "altered", ""),
    "dead link": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "missing", ""),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_found(tmp_path: Path, case: str) -> None:
    damage, problem, found = DAMAGE[case]
    file = tmp_path / "x"
    file.write_bytes(b"good")
    damage(file)
    verdict = verify.verify(str(tmp_path), [Expected("x", "p", "conda", GOOD, size=4)])
    assert verdict.hashed == 1
    assert [(item.path, item.package, item.problem, item.found) for item in verdict.problems] == (
        [("x", "p", problem, found)] if problem else []
    )


@pytest.mark.parametrize("size", [0, 1, verify._PIECE - 1, verify._PIECE, verify._PIECE + 1, 3 * verify._PIECE])
def test_every_size_is_hashed_to_its_end(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "x").write_bytes(data)
    expected = [Expected("x", "p", "conda", hashlib.sha256(data).hexdigest(), size=size)]
    verdict = verify.verify(str(tmp_path), expected)
    assert (verdict.problems, verdict.size) == ((), size)
    if size:
        (tmp_path / "x").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert verify.verify(str(tmp_path), expected).problems


def test_what_has_no_hash_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    verdict = verify.verify(str(tmp_path), [Expected("link", "p", "conda"), Expected("gone", "p", "pip")])
    assert [(item.path, item.problem) for item in verdict.problems] == [("gone", "missing")]
    assert (verdict.hashed, verdict.seen) == (0, 2)


def test_the_last_of_two_conda_packages_wins_but_pip_does_not(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"good")
    first, second = Expected("x", "first", "conda", OTHER), Expected("x", "second", "conda", GOOD)
    assert verify.verify(str(tmp_path), [first, second]).problems == ()
    found = verify.verify(str(tmp_path), [first, Expected("x", "pipped", "pip", GOOD)]).problems
    assert [(item.package, item.problem) for item in found] == [("first", "altered")]


def test_nothing_outside_the_prefix_is_read(tmp_path: Path) -> None:
    verdict = verify.verify(str(tmp_path), [Expected("../x", "p", "pip", GOOD), Expected("/x", "p", "conda", GOOD)])
    assert (verdict.hashed, verdict.seen, verdict.problems) == (0, 0, ())


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_lose_no_file(tmp_path: Path, workers: int) -> None:
    expected = []
    for number in range(200):
        (tmp_path / str(number)).write_bytes(b"x" * number)
        digest = GOOD if number % 50 == 0 else hashlib.sha256(b"x" * number).hexdigest()
        expected.append(Expected(str(number), "p", "conda", digest, size=number))
    verdict = verify.verify(str(tmp_path), expected, workers)
    assert sorted(item.path for item in verdict.problems) == ["0", "100", "150", "50"]
    assert (verdict.hashed, verdict.size) == (200, sum(range(200)))
