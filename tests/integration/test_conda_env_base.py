# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages in a conda installation itself: it only gets more, and is what it was after whatever fails."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, install, plain
from channel.conda_channel import File, Package, write_package, write_repodata

ASIDE = ("envs", "pkgs")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Conda:
    """An installation whose base no other test uses, with packages that make trouble."""
    conda = install(tmp_path_factory.mktemp("base"))
    trouble = conda.channels / "trouble"
    slow = 'echo changed >> "$PREFIX/conda-meta/history"\ntouch "$PREFIX/slow.started"\nexec sleep 300\n'
    packages = [
        Package("slow", "1.0", {"bin/.slow-post-link.sh": File.text(slow, executable=True)}),
        plain("python", "3.10.9", channel="trouble"),
        plain("conda", "99.0", channel="trouble"),
    ]
    for package in packages:
        write_package(trouble, package)
    write_repodata(trouble)
    return conda


def base(conda: Conda, *dependencies: t.Any, **arguments: t.Any) -> dict[str, t.Any]:
    definition = {"channels": arguments.pop("channels", ["lab", "other"]), "dependencies": list(dependencies)}
    definition |= {key: arguments.pop(key) for key in ("variables",) if key in arguments}
    return conda.run(name="base", allow_base=True, definition=definition, **arguments)


def foretold(conda: Conda, *dependencies: t.Any, **arguments: t.Any) -> dict[str, t.Any]:
    """Check mode writes nothing and says what the run then does; a second run has nothing to do and starts no conda."""
    before = tree(conda, times=True)
    told = base(conda, *dependencies, check=True, **arguments)
    assert tree(conda, times=True) == before
    done = base(conda, *dependencies, **arguments)
    assert not done.get("failed"), done["msg"]
    for key in ("changed", "plan", "diff", "notes"):
        assert told.get(key) == done.get(key), key
    with without_conda(conda):
        again = base(conda, *dependencies, **arguments)
    assert (again["changed"], again["plan"]["action"]) == (False, "none"), again
    assert not list(conda.root.glob(".base-before*"))
    return done


@contextlib.contextmanager
def without_conda(conda: Conda) -> t.Iterator[None]:
    python = (conda.root / "bin/python").resolve()
    mode = python.stat().st_mode
    python.chmod(0o644)
    try:
        yield
    finally:
        python.chmod(mode)


def tree(conda: Conda, times: bool = False) -> dict[str, t.Any]:
    """Everything of the installation but environments and package cache."""
    found: dict[str, t.Any] = {}
    for folder, folders, files in os.walk(conda.root):
        if folder == str(conda.root):
            folders[:] = [name for name in folders if name not in ASIDE]
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            path = Path(folder, name)
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = (content, status.st_mode, status.st_ino if times else 0, status.st_mtime_ns if times else 0)
    return found


@pytest.mark.cases(1)
def test_packages_come_and_nothing_goes(own: Conda) -> None:
    before = own.packages("base")
    alias = f"file://{own.channels}/lab"
    made = foretold(own, "app=1", variables={"LAB": "one"})
    assert made["plan"]["install"] == [f"app 1.0 0 {alias}", f"lib 1.1 0 {alias}"]
    assert made["plan"]["remove"] == []
    assert own.packages("base") == {**before, "app": "1.0=0", "lib": "1.1=0"}
    assert '"LAB": "one"' in (own.root / "conda-meta/state").read_text()
    # Channels have the names that the task gives them, however a solver was asked.
    assert f"{alias}/" not in (own.root / "conda-meta/history").read_text()
    # What a former specification brought stays, and what fits is left alone.
    assert foretold(own, "single", "lib")["plan"]["install"] == [f"single 1.0 0 {alias}"]
    corrected = foretold(own, "lib=1.0")
    assert (corrected["plan"]["install"], corrected["plan"]["remove"]) == ([f"lib 1.0 0 {alias}"], [f"lib 1.1 0 {alias}"])
    moved = foretold(own, "app=2")
    assert moved["plan"]["install"] == [f"app 2.0 0 {alias}", f"lib 2.0 0 {alias}"]
    assert own.packages("base") == {**before, "app": "2.0=0", "lib": "2.0=0", "single": "1.0=0"}


def test_what_people_do_is_noticed_and_only_corrected_where_it_matters(own: Conda) -> None:
    wanted = ("single", {"pip": [f"--find-links={own.wheels}", "--no-index", "tiny==1.0"]})
    made = foretold(own, "pip", *wanted)
    assert "pip: tiny==1.0" in made["plan"]["install"]
    python = own.root / "bin/python"
    alias = f"file://{own.channels}/lab"
    own.conda("install", "-y", "-q", "-n", "base", "--no-pin", "--override-channels", "-c", alias, "addon", "--freeze-installed")
    assert not foretold(own, "pip", *wanted)["changed"]
    subprocess.run([python, "-m", "pip", "uninstall", "-y", "-q", "tiny"], check=True)
    assert foretold(own, "pip", *wanted)["plan"]["install"] == ["pip: tiny==1.0"]
    own.conda("remove", "-y", "-q", "-n", "base", "--force", "single")
    assert foretold(own, "pip", *wanted)["plan"]["install"] == [f"single 1.0 0 {alias}"]
    # As installers and conda-pypi mark a base environment, so that people leave it alone.
    (own.root / "conda-meta/frozen").write_text('{"message": "ask ada"}')
    next(own.root.glob("lib/python3*")).joinpath("EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=ask ada\n")
    needy = next(own.root.glob("lib/python3*/site-packages")) / "needy-1.0.dist-info"
    needy.mkdir()
    (needy / "METADATA").write_text("Metadata-Version: 2.1\nName: needy\nVersion: 1.0\nRequires-Dist: nowhere\n")
    newer = ("single", {"pip": [f"--find-links={own.wheels}", "--no-index", "tiny==2.0"]})
    through = foretold(own, "pip", *newer)
    assert through["plan"]["install"] == ["pip: tiny==2.0"]
    assert any("marked as frozen (ask ada)" in note for note in through["notes"])
    assert any(note.startswith("pip check: needy 1.0 requires nowhere") for note in through["notes"])
    assert "addon" in own.packages("base")


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("dependencies", "arguments", "words"),
    [
        (["app=1", "lib=2"], {}, "cannot be installed together"),
        (["nowhere"], {}, "not in the declared channels"),
        (["python=3.10"], {"channels": ["trouble"]}, "must keep what it has: python 3.11.2 would become 3.10.9"),
        (["python=2.7"], {}, "must keep what it has: python 3.11.2 cannot be replaced"),
        (["conda=99"], {"channels": ["trouble"]}, "conda itself does not work with these packages"),
        (["rare"], {"smoke": ["no_such_module"]}, "smoke: 'import no_such_module' fails"),
        (["rare", {"pip": ["--no-index", "no-such-project"]}], {}, "the pip section cannot be installed"),
    ],
)
def test_what_fails_leaves_the_installation_as_it_was(
    own: Conda, dependencies: list[t.Any], arguments: dict[str, t.Any], words: str
) -> None:
    before = tree(own)
    failed = base(own, *dependencies, **arguments)
    assert failed.get("failed"), failed
    assert words in failed["msg"]
    assert tree(own) == before


def kill_while_changing(conda: Conda) -> None:
    """Kill a run in the middle of conda's transaction, while a script of a package runs."""
    definition = {"channels": ["trouble"], "dependencies": ["slow"]}
    process = conda.start(name="base", allow_base=True, definition=definition)
    for _ in range(600):
        if (conda.root / "slow.started").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert (conda.root / ".base-before").is_dir()
    assert (conda.root / "slow.started").exists()


def test_a_killed_run_is_undone_by_the_next(own: Conda) -> None:
    base(own, "single")
    before = tree(own)
    kill_while_changing(own)
    half = tree(own)
    told = base(own, "single", check=True)
    assert tree(own) == half
    done = base(own, "single")
    assert told["plan"] == done["plan"]
    assert done["plan"]["reasons"] == [
        "a run was interrupted while it changed the installation: what was there before is brought back"
    ]
    state = str(own.root / ".conda_base.json")
    assert {**tree(own), state: ""} == {**before, state: ""}
    with without_conda(own):
        assert not base(own, "single")["changed"]


def test_a_run_for_another_environment_undoes_it_as_well(own: Conda) -> None:
    before = tree(own)
    kill_while_changing(own)
    assert own.make("other", "lib=1.0")["changed"]
    assert tree(own) == before


def test_it_is_refused_unless_the_task_says_so(own: Conda) -> None:
    before = tree(own)
    for arguments in ({"name": "base"}, {"name": "root"}, {"prefix": str(own.root)}, {"name": "base", "state": "absent"}):
        failed = own.run(definition={"channels": ["lab"], "dependencies": ["lib"]}, **arguments)
        assert "'allow_base: true'" in failed["msg"]
    for arguments in ({"state": "absent"}, {"state": "rolled_back"}, {"frozen": True}, {"verify": "full"}, {"owner": "root"}):
        failed = base(own, "lib", **arguments)
        assert f"found {next(iter(arguments))}" in failed["msg"]
    assert tree(own) == before
