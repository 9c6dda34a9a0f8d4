# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Solve once, install everywhere: conda_lock, and conda_env with its locks, against a real conda."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import threading
import typing as t
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, plain, wheel
from channel.conda_channel import write_package, write_repodata


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """URL of a folder."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


APP = {"channels": ["lab", "other"], "dependencies": ["app", "other::rare"], "variables": {"LAB": "a"}}


def lock(conda: Conda, definition: dict[str, t.Any] | None = None, **arguments: t.Any) -> dict[str, t.Any]:
    """The lock of a definition; it must not fail."""
    made = locked(conda, definition or APP, **arguments)
    assert not made.get("failed"), made["msg"]
    found: dict[str, t.Any] = made["lock"]
    return found


def locked(conda: Conda, definition: dict[str, t.Any], **arguments: t.Any) -> dict[str, t.Any]:
    return conda.run(module="conda_lock", definition=definition, **conda.arguments(**arguments))


def records(environment: Path) -> dict[str, dict[str, t.Any]]:
    """What conda recorded of each package, without what belongs to one host."""
    own = ("extracted_package_dir", "package_tarball_full_path", "link", "url", "channel", "timestamp", "license")
    found = (json.loads(path.read_text()) for path in sorted((environment / "conda-meta").glob("*.json")))
    return {item["name"]: {key: value for key, value in item.items() if key not in own} for item in found}


@pytest.fixture
def no_channels(conda: Conda) -> Iterator[None]:
    """While this fixture lives nobody can solve: the channels have no index any more, only packages."""
    hidden = [path for name in ("lab", "other") for path in (conda.channels / name).glob("*/repodata.json*")]
    texts = {path: path.read_bytes() for path in hidden}
    for path in hidden:
        path.unlink()
    yield
    for path, text in texts.items():
        path.write_bytes(text)


def test_a_lock_holds_what_conda_chose(conda: Conda) -> None:
    found = lock(conda)
    assert found["platform"] == f"linux-{'64' if os.uname().machine == 'x86_64' else os.uname().machine}"
    assert [f"{item['name']}={item['version']}={item['build']}" for item in found["conda"]] == [
        "app=2.0=0",
        "lib=2.0=0",
        "rare=1.0=0",
    ]
    assert [item["channel"] for item in found["conda"]] == ["lab", "lab", "other"]
    assert found["specs"] == ["app", "other::rare"]
    assert lock(conda) == found
    assert conda.generations("lock-") == []


def test_another_solver_than_that_of_the_lock_is_told(conda: Conda) -> None:
    found = lock(conda)
    assert found["solver"] == conda.solver()
    assert conda.run(name="by-us", lock=found, check=True)["notes"] == []
    for check in (True, False):
        notes = conda.run(name="by-others", lock={**found, "solver": "another"}, check=check)["notes"]
        assert [note for note in notes if "solved by another" in note and conda.solver() in note] == notes != []
    assert not conda.run(name="by-others", lock=found)["changed"]


def test_nothing_is_solved_with_a_lock(conda: Conda, request: pytest.FixtureRequest) -> None:
    definition = {**APP, "dependencies": ["app=1", "other::rare"]}
    conda.make("solved", *definition["dependencies"], variables=APP["variables"])
    found = lock(conda, definition)
    # What a newer conda that made the lock knows of a package (CEP 17) does not stop an older one.
    place = found["conda"][0]["python_site_packages_path"] = "lib/python3.13t/site-packages"
    request.getfixturevalue("no_channels")
    foreseen = conda.run(name="locked", definition=definition, lock=found, check=True)
    made = conda.run(name="locked", definition=definition, lock=json.dumps(found))
    assert made["changed"], made
    assert made["plan"] == foreseen["plan"]
    assert made["diff"] == foreseen["diff"]
    assert conda.packages("locked") == {item["name"]: f"{item['version']}={item['build']}" for item in found["conda"]}
    linked = records(conda.environment("locked"))
    assert linked["app"].pop("python_site_packages_path", place) == place  # which only a newer one records
    assert linked == records(conda.environment("solved"))
    assert "LAB='a'" in conda.conda("shell.posix", "activate", str(conda.environment("locked")))
    assert "'app=1'" in (conda.environment("locked") / "conda-meta/history").read_text()
    python = conda.root / "bin/python"
    python.rename(python.with_name("hidden"))
    try:
        again = [conda.run(name="locked", lock=found), conda.run(name="locked", definition=definition, lock=found)]
    finally:
        python.with_name("hidden").rename(python)
    assert [item["changed"] for item in again] == [False, False], again


def test_two_hosts_are_equal_although_the_channel_moved_on(conda: Conda, tmp_path: Path) -> None:
    channel = tmp_path / "lab"
    for package in (plain("lib", "1.0"), plain("app", "1.0", "lib")):
        write_package(channel, package)
    write_repodata(channel)
    definition = {"channels": ["lab"], "dependencies": ["app"]}
    found = lock(conda, definition, channel_alias=f"file://{tmp_path}")
    mirror = tmp_path / "mirror"
    shutil.copytree(channel, mirror / "team")
    write_package(channel, plain("lib", "1.5"))
    write_repodata(channel)
    first = conda.run(prefix=str(tmp_path / "one/env"), lock=found, channel_alias=f"file://{tmp_path}")
    assert first.get("changed"), first
    elsewhere = {"custom_channels": {"lab": f"file://{tmp_path}/copy"}}
    shutil.copytree(mirror / "team", tmp_path / "copy/lab")
    second = conda.run(prefix=str(tmp_path / "two/env"), definition=definition, lock=found, **elsewhere)
    assert second.get("changed"), second
    assert second["plan"]["install"] == [f"{name} 1.0 0 file://{tmp_path}/copy/lab" for name in ("app", "lib")]
    assert records(tmp_path / "one/env") == records(tmp_path / "two/env")
    assert first["digest"] == second["digest"]
    solved = conda.run(prefix=str(tmp_path / "new/env"), definition=definition, channel_alias=f"file://{tmp_path}")
    assert any("lib 1.5" in line for line in solved["plan"]["install"])


def wrong_hash(found: dict[str, t.Any], channel: Path) -> None:
    found["conda"][0]["sha256"] = "0" * 64


def wrong_file(found: dict[str, t.Any], channel: Path) -> None:
    write_package(channel, plain("app", "1.0", "lib", size=9))


def no_file(found: dict[str, t.Any], channel: Path) -> None:
    (channel / "noarch/app-1.0-0.conda").unlink()


def no_dependency(found: dict[str, t.Any], channel: Path) -> None:
    del found["conda"][1]


def other_host(found: dict[str, t.Any], channel: Path) -> None:
    found["conda"][0]["depends"].append("__cuda >=99")


@pytest.mark.cases(5)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (wrong_hash, "is not the one that was locked"),
        (wrong_file, "is not the one that was locked"),
        (no_file, "does not have a locked package any more"),
        (no_dependency, "app needs lib"),
        (other_host, "app needs __cuda"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("place", ["file, warm cache", "file, cold cache", "http, cold cache"])
def test_what_is_not_as_locked_is_refused(
    conda: Conda, tmp_path: Path, change: t.Callable[[dict[str, t.Any], Path], None], expected: str, place: str
) -> None:
    channel = tmp_path / "lab"
    for package in (plain("lib", "1.0"), plain("app", "1.0", "lib")):
        write_package(channel, package)
    write_repodata(channel)
    with serving(tmp_path) as url:
        arguments = {"channel_alias": f"file://{tmp_path}" if place.startswith("file") else url}
        found = lock(conda, {"channels": ["lab"], "dependencies": ["app"]}, **arguments)
        link = tmp_path / "envs/env"
        conda.run(prefix=str(link), definition={"channels": ["lab"], "dependencies": ["lib"]}, **arguments)
        before = os.readlink(link)
        for stem in ("app-1.0-0", "lib-1.0-0") if "cold" in place else ():
            shutil.rmtree(conda.root / "pkgs" / stem, ignore_errors=True)
            (conda.root / f"pkgs/{stem}.conda").unlink(missing_ok=True)
        if "warm" in place:
            conda.run(prefix=str(tmp_path / "envs/warm"), lock=found, **arguments)
        change(found, channel)
        if change in (no_dependency, other_host):
            assert expected in conda.run(prefix=str(link), lock=found, check=True, **arguments)["msg"]
        failed = conda.run(prefix=str(link), lock=found, **arguments)
        if "warm" in place and change in (wrong_file, no_file):
            # The cache has the locked package: what the channel has by now does not matter.
            assert failed["changed"]
            return
    assert expected in failed["msg"]
    assert os.readlink(link) == before
    assert (link / "share/lib").read_text().startswith("lib 1.0")
    assert len(list((tmp_path / "envs/.generations").glob("env-*"))) == 1


def python_definition(wheels: Path, *requirements: str) -> dict[str, t.Any]:
    pip = [f"--find-links={wheels}", "--no-index", *requirements]
    return {"channels": ["conda-forge"], "dependencies": ["python=3.11", "alpha=1", "pip", {"pip": pip}]}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "tiny", "2.0")
    wheel(folder, "needy", "1.0", requires="tiny>=2")
    wheel(folder, "direct", "1.0")
    return folder


@pytest.fixture(scope="module")
def pip_lock(conda: Conda, wheels: Path) -> dict[str, t.Any]:
    return lock(conda, python_definition(wheels, "needy", f"direct @ file://{wheels}/direct-1.0-py3-none-any.whl"))


def test_the_pip_section_is_locked_with_hashes_and_leaves_nothing(conda: Conda, wheels: Path, pip_lock: dict[str, t.Any]) -> None:
    found = {item["name"]: item for item in pip_lock["pip"]}
    assert set(found) == {"needy", "tiny", "direct"}
    for item in found.values():
        assert item["hashes"] == [f"sha256:{hashlib.sha256((wheels / item['file']).read_bytes()).hexdigest()}"]
    assert [name for name, item in found.items() if "url" in item] == ["direct"]
    assert conda.generations("lock-") == []
    checked = locked(conda, python_definition(wheels, "needy"), check=True)
    assert [item["name"] for item in checked["lock"]["pip"]] == ["needy", "tiny"]


def test_pip_installs_what_is_locked_although_the_index_moved_on(conda: Conda, wheels: Path, pip_lock: dict[str, t.Any]) -> None:
    wheel(wheels, "tiny", "3.0")
    definition = python_definition(wheels, "needy", f"direct @ file://{wheels}/direct-1.0-py3-none-any.whl")
    (compiled,) = (conda.root / "pkgs").glob("alpha-1*/site-packages/alpha/__pycache__/__init__.*.pyc")
    inode = compiled.stat().st_ino
    foreseen = conda.run(name="hashed", definition=definition, lock=pip_lock, check=True)
    made = conda.run(name="hashed", definition=definition, lock=pip_lock, smoke=["needy", "tiny", "direct", "alpha"])
    assert made.get("changed"), made
    assert made["plan"] == foreseen["plan"]
    assert conda.packages("hashed")["tiny"] == "2.0=pypi_0"
    # What was compiled for the lock was not compiled again.
    (code,) = conda.environment("hashed").glob("lib/python3.11/site-packages/alpha/__pycache__/__init__.*.pyc")
    assert code.stat().st_ino == inode
    assert not conda.run(name="hashed", lock=pip_lock)["changed"]


def test_a_tampered_wheel_is_refused(conda: Conda, wheels: Path, pip_lock: dict[str, t.Any]) -> None:
    conda.run(name="hashed", lock=pip_lock)
    before = os.readlink(conda.environment("hashed"))
    original = (wheels / "tiny-2.0-py3-none-any.whl").read_bytes()
    with zipfile.ZipFile(wheels / "tiny-2.0-py3-none-any.whl", "a") as archive:
        archive.writestr("more.py", "")
    try:
        # Another digest, so that the environment is built again.
        failed = conda.run(name="hashed", lock={**pip_lock, "variables": {"A": "1"}})
    finally:
        (wheels / "tiny-2.0-py3-none-any.whl").write_bytes(original)
    assert "a package for pip is not the one that was locked: tiny==2.0" in failed["msg"], failed
    assert os.readlink(conda.environment("hashed")) == before
    assert len(conda.generations("hashed")) == 1


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        (["nunpy"], "not in the declared channels"),
        (["lib", {"pip": ["git+https://example.org/x.git"]}], "pip section: 'git+https://example.org/x.git' cannot be locked"),
        (["lib", {"pip": ["x @ git+https://ada:hunter2@example.org/x.git"]}], "'x @ git+https://example.org/x.git' cannot be"),
        (["lib", {"pip": ["-e git+https://example.org/x.git#egg=x"]}], "cannot be locked"),
        (["lib", {"pip": ["-r more.txt"]}], "more.txt: '-e /srv/x' cannot be locked"),
    ],
)
def test_what_cannot_be_locked(conda: Conda, dependencies: list[t.Any], expected: str) -> None:
    definition = {"channels": ["lab"], "dependencies": dependencies}
    failed = locked(conda, definition, name="nlp", pip_files={"more.txt": "tiny\n-e /srv/x\n"})
    assert failed["msg"].startswith("conda environment 'nlp': ")
    assert expected in failed["msg"]
    assert "hunter2" not in json.dumps(failed)


def test_a_channel_that_moved_keeps_its_packages(conda: Conda, tmp_path: Path) -> None:
    shutil.copytree(conda.channels / "lab", tmp_path / "lab")
    shutil.rmtree(conda.root / "pkgs/single-1.0-0", ignore_errors=True)  # extracted again, it is labelled otherwise
    conda.make("before-move", "single")
    moved = conda.make("after-move", "single", custom_channels={"lab": f"file://{tmp_path}"})
    assert moved["plan"]["install"] == [f"single 1.0 0 file://{tmp_path}/lab"]


def test_through_ansible_with_files(conda: Conda, tmp_path: Path) -> None:
    (tmp_path / "nlp.yml").write_text("channels: [lab]\ndependencies:\n  - app=1\n")
    path = tmp_path / f"nlp.{lock(conda)['platform']}.lock.json"

    def ansible(module: str, *options: str, **arguments: t.Any) -> str:
        return conda.ansible(module, *options, src=str(tmp_path / "nlp.yml"), **arguments)

    assert "there is no lock" in ansible("conda_env", name="nlp", lock=str(path))
    assert "CHANGED" in ansible("conda_lock", "--check")
    assert not path.exists()
    assert "CHANGED" in ansible("conda_lock")
    first = path.read_bytes()
    assert "SUCCESS" in ansible("conda_lock")
    assert path.read_bytes() == first
    assert "CHANGED" in ansible("conda_env", name="nlp", lock=str(path))
    assert "SUCCESS" in ansible("conda_env", name="nlp", lock=str(path))
    assert "SUCCESS" in ansible("conda_env", name="nlp", lock=str(path), lock_policy="prefer")
    (tmp_path / "nlp.yml").write_text("# A comment.\nchannels:\n  - lab\ndependencies: [app=1]\n")
    assert "SUCCESS" in ansible("conda_env", name="nlp", lock=str(path))
    (tmp_path / "nlp.yml").write_text("channels: [lab]\ndependencies: [app=2]\n")
    refused = ansible("conda_env", name="nlp", lock=str(path))
    assert "the specification has changed since it was locked (dependencies: +app=2, -app=1)" in refused
    assert "openlab.research_server.lock" in refused
    assert conda.packages("nlp")["app"] == "1.0=0"
    preferred = ansible("conda_env", name="nlp", lock=str(path), lock_policy="prefer")
    assert "solved on this host: the specification has changed" in preferred
    assert conda.packages("nlp")["app"] == "2.0=0"
    path.write_text(path.read_text().replace(conda.solver(), "another"))
    shown = ansible("conda_lock", "--diff")
    assert "the lock was solved by another" in shown
    assert "-app 1.0 0 lab sha256:" in shown
    assert "+app 2.0 0 lab sha256:" in shown
    path.write_text(path.read_text().replace('"format": 1', '"format": 1,\n "more": 2'))
    assert f"the lock {path} unknown key 'more'" in ansible("conda_env", name="nlp", lock=str(path))
