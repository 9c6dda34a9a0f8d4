# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import (
    Lock,
    digest_of,
    parse_lock,
    pip_lines,
    pip_options,
    stale,
)
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, Specification, parse

SETTINGS = Settings()


def specification(*dependencies: t.Any, files: dict[str, str] | None = None, **more: t.Any) -> Specification:
    return parse({"channels": ["conda-forge"], "dependencies": list(dependencies), **more}, files)


def content() -> dict[str, t.Any]:
    """A lock as plain data; each call a new one."""
    package = {"version": "1.0", "build": "0", "build_number": 0, "channel": "conda-forge", "sha256": "a" * 64, "md5": "b" * 32}
    return {
        "format": 1,
        "platform": "linux-64",
        "conda_version": "24.7.1",
        "specification": digest_of(specification("app", {"pip": ["tiny"]}), SETTINGS),
        "channels": ["conda-forge"],
        "specs": ["app", "pip"],
        "conda": [
            {"name": "app", "url": "https://a.example/conda-forge/linux-64/app-1.0-0.conda", **package, "depends": ["lib >=1"]},
            {"name": "lib", "url": "https://a.example/conda-forge/noarch/lib-1.0-0.tar.bz2", **package},
        ],
        "pip_options": ["--extra-index-url=https://b.example/simple"],
        "pip": [{"name": "tiny", "version": "1.0", "file": "tiny-1.0-py3-none-any.whl", "hashes": ["sha256:" + "c" * 64]}],
    }


def test_a_lock_stays_what_it_is() -> None:
    found = parse_lock(content())
    assert parse_lock(found.to_dict()) == found
    assert found.to_dict()["conda"] == content()["conda"]


def changed(path: tuple[t.Any, ...], value: t.Any) -> dict[str, t.Any]:
    """The lock with one value replaced; removed, if it is None."""
    found = copy.deepcopy(content())
    place: t.Any = found
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("format",), 2, "format 2; expected 1"),
        (("format",), None, "no 'format'"),
        (("unknown",), 1, "unknown key 'unknown'"),
        (("platform",), None, "found no 'platform'"),
        (("conda",), {}, "conda: found {}; expected a list"),
        (("conda",), [], "holds no conda package"),
        (("specification",), "abc", "specification: found 'abc'"),
        (("channels",), [1], "channels: found 1"),
        (("channels",), ["https://ada:hunter2@a.example/c"], "holds credentials"),
        (("variables",), {"A": 1}, "variables: found 1"),
        (("conda", 0), "app", "conda[0]: found no mapping"),
        (("conda", 0, "more"), 1, "conda[0] (app): unknown key 'more'"),
        (("conda", 0, "sha256"), None, "conda[0] (app): found no 'sha256'"),
        (("conda", 0, "sha256"), "A" * 64, "conda[0] (app): sha256: found"),
        (("conda", 0, "sha256"), "a" * 63, "expected 64 hexadecimal digits"),
        (("conda", 0, "md5"), "x", "expected 32 hexadecimal digits"),
        (("conda", 0, "version"), "1/../2", "version: found '1/../2'"),
        (("conda", 0, "version"), "2.0", "expected the URL of app-2.0-0.conda"),
        (("conda", 0, "build_number"), True, "build_number: found True; expected a number"),
        (("conda", 0, "url"), "https://ada:hunter2@a.example/c/noarch/app-1.0-0.conda", "without credentials"),
        (("conda", 0, "url"), "https://a.example/c/osx-64/app-1.0-0.conda", "a package for osx-64 in a lock for linux-64"),
        (("conda", 0, "url"), "app-1.0-0.conda", "expected the URL"),
        (("conda", 0, "depends"), ["a\nb"], "conda[0] (app): depends: found 'a\\nb'"),
        (("conda", 1, "name"), "app", "expected the URL of app-1.0-0.conda"),
        (("conda", 1), content()["conda"][0], "names more than once: app"),
        (("pip", 0, "hashes"), [], "pip[0] (tiny): found no hash"),
        (("pip", 0, "hashes"), ["md5:00"], "pip[0] (tiny): hashes: found 'md5:00'"),
        (("pip", 0, "name"), "tiny --pre", "pip[0] (tiny --pre): name"),
        (("pip", 0, "url"), "/tmp/tiny.whl", "url: found '/tmp/tiny.whl'"),
        (("pip", 0, "url"), "https://a.example/t.whl --pre", "url: found"),
    ],
)
def test_what_is_wrong_is_named(path: tuple[t.Any, ...], value: t.Any, expected: str) -> None:
    with pytest.raises(CondaEnvError) as failed:
        parse_lock(changed(path, value))
    assert expected in failed.value.cause
    assert failed.value.way_out
    assert "hunter2" not in failed.value.cause


@pytest.mark.parametrize("content", [None, [], "text", {"package": []}])
def test_other_files_are_no_lock(content: t.Any) -> None:
    with pytest.raises(CondaEnvError, match="is no lock of this collection"):
        parse_lock(content)


FILES = {"more.txt": "# only a comment\n\ntiny==1.0  # why\n-c limits.txt\n", "limits.txt": "other<2\n"}
BASE = specification("app", "lib=1", {"pip": ["-r more.txt", "name"]}, files=FILES)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (specification("lib=1", "app", {"pip": ["-r more.txt", "name"]}, files=FILES), True),
        (specification("app", "lib=1", {"pip": ["-r more.txt  # x", "name # y"]}, files=FILES), True),
        (
            specification(
                "app", "lib=1", {"pip": ["-r more.txt", "name"]}, files={**FILES, "more.txt": "tiny==1.0\n-c limits.txt"}
            ),
            True,
        ),
        (
            specification(
                "app",
                "lib=1",
                {"pip": ["-r /elsewhere/more.txt", "name"]},
                files={"/elsewhere/more.txt": FILES["more.txt"], "limits.txt": FILES["limits.txt"]},
            ),
            True,
        ),
        (specification("app", "lib=1", {"pip": ["-r more.txt", "name"]}, files=FILES, name="other"), True),
        (specification("app", "lib=2", {"pip": ["-r more.txt", "name"]}, files=FILES), False),
        (specification("app", "lib=1", {"pip": ["-r more.txt"]}, files=FILES), False),
        (specification("app", "lib=1", {"pip": ["-c more.txt", "name"]}, files=FILES), False),
        (specification("app", "lib=1", {"pip": ["-r more.txt", "name"]}, files={**FILES, "limits.txt": "other<3\n"}), False),
        (specification("app", "lib=1", {"pip": ["-r more.txt", "name"]}, files=FILES, variables={"A": "1"}), False),
        (specification("app", "lib=1", {"pip": ["-r more.txt", "name"]}, files=FILES, channels=["conda-forge", "b"]), False),
    ],
)
def test_a_changed_specification_has_another_digest(other: Specification, same: bool) -> None:
    assert (digest_of(BASE, SETTINGS) == digest_of(other, SETTINGS)) is same


def test_mirrors_and_credentials_do_not_change_the_digest_but_the_priority_does() -> None:
    one = specification("app", channels=["https://ada:first@a.example/c"])
    two = specification("app", channels=["https://ada:second@a.example/c"])
    mirror = Settings(channel_alias="https://mirror.example", custom_channels=(("a", "https://b.example"),))
    assert digest_of(one, SETTINGS) == digest_of(two, mirror)
    assert digest_of(one, SETTINGS) != digest_of(one, Settings(channel_priority="strict"))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (specification("app", {"pip": ["tiny"]}), ""),
        (specification("app=2", {"pip": ["tiny"]}), "dependencies: +app=2, -app"),
        (specification("app", {"pip": ["tiny"]}, channels=["conda-forge", "b"]), "channels: +b"),
        (specification("app", {"pip": ["tiny"]}, variables={"A": "1"}), "variables: +A=1"),
        (specification("app", {"pip": ["tiny==2"]}), "pip section or channel priority"),
        (specification(*(f"p{number}" for number in range(9)), {"pip": ["tiny"]}), "dependencies: +p0, +p1, +p2, +p3, ..."),
    ],
)
def test_what_has_changed_is_said(now: Specification, expected: str) -> None:
    lock = parse_lock({**content(), "specs": ["app", "pip"]})
    assert stale(lock, now, SETTINGS) == expected


def test_lines_of_the_pip_section_with_their_file() -> None:
    given = specification("a", {"pip": ["--index-url=https://u:p@a.example", "-r more.txt", "name"]}, files=FILES)
    assert pip_lines(given) == [("", "--index-url=https://u:p@a.example"), ("more.txt", "tiny==1.0"), ("", "name")]
    assert pip_options(given) == ("--index-url=https://u:p@a.example",)


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        (("conda_version",), "26.1", True),
        (("solver",), "rattler", True),
        (("conda", 0, "url"), "https://mirror.example/conda-forge/linux-64/app-1.0-0.conda", True),
        (("conda", 0, "sha256"), "f" * 64, False),
        (("conda", 0, "channel"), "other", False),
        (("specs",), ["app", "pip", "lib"], False),
        (("pip", 0, "hashes"), ["sha256:" + "d" * 64], False),
    ],
)
def test_the_digest_of_a_generation_is_about_what_is_installed(path: tuple[t.Any, ...], value: t.Any, same: bool) -> None:
    assert (parse_lock(content()).digest() == parse_lock(changed(path, value)).digest()) is same


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [({"solver": "libmamba"}, "rattler", True), ({"solver": "rattler"}, "rattler", False), ({}, "rattler", False)],
    ids=["another", "the same", "unknown"],
)
def test_another_solver_than_that_of_the_lock_is_told(then: dict[str, str], now: str, told: bool) -> None:
    lock = parse_lock({**content(), **then})
    assert lock.to_dict().get("solver") == then.get("solver")
    assert [("libmamba" in note, now in note) for note in lock.other_solver(now)] == [(True, True)] * told


def lock_with(**more: t.Any) -> Lock:
    found = content()
    found["conda"][0] |= more
    return parse_lock(found)


@pytest.mark.parametrize(
    ("lock", "given", "settings", "url"),
    [
        (lock_with(), None, SETTINGS, "https://conda.anaconda.org/conda-forge/linux-64/app-1.0-0.conda"),
        (lock_with(), None, Settings(channel_alias="http://m/c/"), "http://m/c/conda-forge/linux-64/app-1.0-0.conda"),
        (
            lock_with(),
            None,
            Settings(custom_channels=(("conda-forge", "http://x"),)),
            "http://x/conda-forge/linux-64/app-1.0-0.conda",
        ),
        (lock_with(channel="http://y/z"), None, SETTINGS, "http://y/z/linux-64/app-1.0-0.conda"),
        (
            lock_with(channel="http://y/z"),
            specification("app", channels=["http://ada:secret@y/z"]),
            SETTINGS,
            "http://ada:secret@y/z/linux-64/app-1.0-0.conda",
        ),
        (
            lock_with(channel="defaults", url="https://repo.anaconda.com/pkgs/r/linux-64/app-1.0-0.conda"),
            None,
            Settings(default_channels=("http://m/main", "http://m/r")),
            "http://m/r/linux-64/app-1.0-0.conda",
        ),
    ],
)
def test_a_host_finds_packages_where_its_channels_are(
    lock: Lock, given: Specification | None, settings: Settings, url: str
) -> None:
    assert lock.locked(given, settings).records[0]["url"] == url


def test_a_default_channel_that_the_host_does_not_have() -> None:
    lock = lock_with(channel="defaults", url="https://repo.anaconda.com/pkgs/r/linux-64/app-1.0-0.conda")
    with pytest.raises(CondaEnvError, match="none of this host's 'defaults' channels ends in 'r'"):
        list(lock.locked(None, Settings(default_channels=("http://m/main", "http://m/free"))).records)


def test_requirements_for_pip() -> None:
    found = parse_lock(content())
    line = f"tiny==1.0 --hash=sha256:{'c' * 64}\n"
    assert found.locked(None, SETTINGS).requirements == f"--extra-index-url=https://b.example/simple\n{line}"
    given = specification("app", {"pip": ["--extra-index-url=https://u:p@b.example/simple", "tiny"]})
    assert found.locked(given, SETTINGS).requirements == f"--extra-index-url=https://u:p@b.example/simple\n{line}"
    assert found.asked(None).pip == ("tiny==1.0",)
