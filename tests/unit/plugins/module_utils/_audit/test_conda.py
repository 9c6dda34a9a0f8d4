# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.conda import (
    TOLD,
    TOPIC,
    condarc_settings,
    find,
)
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.module_utils._conda.manifest import settings
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernels import python_kernel

ROOT = "opt/miniconda3"
KERNELS = "usr/local/share/jupyter/kernels"
NLP = f"{ROOT}/envs/.generations/nlp-0123456789ab.2"
FORMER = f"{ROOT}/envs/.generations/nlp-ba9876543210.1"
SITE = "lib/python3.12/site-packages"
LIB = "lib/python3.12"
FORGE = "https://conda.anaconda.org/conda-forge/linux-64"
DECLARED = Declared(
    conda_root=f"/{ROOT}", environments=("nlp",), channels=("conda-forge",), kernels_dir=f"/{KERNELS}", people=("alice",)
)
OURS = python_kernel(f"/{KERNELS}/nlp", {"name": "nlp", "prefix": f"/{ROOT}/envs/nlp"}, f"/{ROOT}", "")
PACKAGED = "/usr/share/jupyter/kernels/python3"


class World:
    """A host with Miniconda and one environment, as the roles leave them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[str, ...]] = []
        self.write("etc/passwd", "root:x:0:0::/root:/bin/bash\nalice:x:1001:1001::/home/alice:/bin/bash\n")
        self.write("usr/bin/dpkg-query")
        self.write(
            f"{ROOT}/.conda_installation.json", json.dumps({"name": "Miniconda3-py312_26.7.1-1-Linux-x86_64.sh", "sha256": ""})
        )
        self.write(
            f"{ROOT}/.condarc", 'channels:  #!final\n  - "conda-forge"\nchannel_alias: "https://conda.anaconda.org"  #!final\n'
        )
        self.write(f"{ROOT}/envs/.conda_envs_dir_test")
        for prefix in (ROOT, NLP, FORMER):
            self.write(f"{prefix}/conda-meta/history")
            (self.root / prefix / "lib/python3.12/site-packages").mkdir(parents=True)
            (self.root / prefix / "lib/python3.1").symlink_to("python3.12")
        self.package(ROOT, "python", "https://repo.anaconda.com/pkgs/main/linux-64", f"{SITE}/README.txt", "lib/python3.12/os.py")
        self.package(NLP, "numpy", FORGE, f"{SITE}/numpy/__init__.py", f"{SITE}/numpy-2.0.dist-info/METADATA")
        self.package(NLP, "setuptools", FORGE.replace("linux-64", "noarch"), f"{SITE}/distutils-precedence.pth")
        self.package(NLP, "gdal", FORGE, "etc/conda/activate.d/gdal.sh", "share/jupyter/kernels/python3/kernel.json")
        (self.root / f"{ROOT}/envs/nlp").symlink_to(".generations/nlp-0123456789ab.2")
        for name, text in OURS.items():
            self.write(f"{KERNELS}/nlp/{name}", text)
        self.write(f"{PACKAGED.lstrip('/')}/kernel.json", "{}")

    def write(self, path: str, text: str = "") -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def package(self, prefix: str, name: str, place: str, *paths: str) -> None:
        subdir = place.rpartition("/")[2]
        record = {"name": name, "version": "1", "build": "0", "channel": place, "subdir": subdir, "files": paths}
        self.write(f"{prefix}/conda-meta/{name}-1-0.json", json.dumps({**record, "url": f"{place}/{name}-1-0.conda"}))
        for path in paths:
            self.write(f"{prefix}/{path}")

    def pip(self, name: str, *rows: str) -> None:
        self.write(f"{NLP}/{SITE}/{name}-1.dist-info/RECORD", "".join(f"{row},sha256=x,1\n" for row in rows))
        for row in rows:
            self.write(os.path.normpath(f"{NLP}/{SITE}/{row}"))

    def attempt(self, *argv: str) -> tuple[int, str, str]:
        self.calls.append(argv)
        return 1, "".join(f"python3-ipykernel: {path}\n" for path in argv if path == PACKAGED), "no path found"

    def find(self, declared: Declared = DECLARED) -> list[Finding]:
        return list(find(Host(self.attempt, root=str(self.root)), declared))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def pinned(world: World) -> None:
    world.write(f"{NLP}/conda-meta/pinned", "numpy 2.*\n")
    world.write(f"{NLP}/.conda_env.json", json.dumps({"settings": settings(str(world.root / NLP))}))


def stranger(path: str) -> t.Callable[[World], object]:
    return lambda world: world.write(path)


def cached(world: World, text: str) -> None:
    """A package that was unpacked, and written to by somebody since."""
    folder = f"{ROOT}/pkgs/x-1-0"
    paths = [{"_path": "x.py", "path_type": "hardlink", "sha256": hashlib.sha256(b"x = 1").hexdigest(), "size_in_bytes": 5}]
    world.write(f"{folder}/info/paths.json", json.dumps({"paths": [*paths, {"_path": "../../x"}, {"_path": 1}, 1]}))
    os.utime(world.write(f"{folder}/info/repodata_record.json"), (1000, 1000))
    world.write(f"{folder}/x.py", text)


def linked(world: World) -> None:
    """Before the module had finished."""
    world.write(f"{NLP}/etc/jupyter/nbconfig/notebook.d/x.json")
    world.write(f"{NLP}/.conda_env.json", json.dumps({"finished_ns": time.time_ns() + 10**12}))


def noted(world: World) -> None:
    """What an installer has made, and the module noted."""
    world.write(f"{ROOT}/bin/activate")
    world.write(f"{ROOT}/.conda_installed.json", json.dumps({"made": [["bin/activate", "sha256:0"]]}))


def dots(world: World) -> None:
    """What conda and pip leave."""
    for name in ("__pycache__/x.pyc", "numpy-2.0.dist-info.c~", "~ip/__init__.py", "notes.txt"):
        world.write(f"{NLP}/{SITE}/{name}")


def program(world: World) -> None:
    """A link to the lab's own."""
    world.package(ROOT, "conda", FORGE, "bin/conda")
    world.write(f"{ROOT}/bin/conda")
    (world.root / "usr/local/bin").mkdir(parents=True)
    (world.root / "usr/local/bin/conda").symlink_to("../../../opt/miniconda3/bin/conda")


def shell_program(world: World) -> None:
    """What the role miniconda compares."""
    world.write("usr/local/bin/conda", '#!/bin/sh\nexec /opt/miniconda3/bin/conda "$@"\n')


def other_pins(world: World) -> None:
    pinned(world)
    world.write(f"{NLP}/conda-meta/pinned", "y\n")


def link(world: World, path: str, target: str) -> None:
    (world.root / path).unlink(missing_ok=True)
    (world.root / path).symlink_to(target)


def chown(path: str, uid: int = 1001, gid: int = 0) -> Callable[[World], None]:
    return lambda world: os.chown(world.root / path, uid, gid, follow_symlinks=False)


def chmod(path: str, mode: int) -> Callable[[World], None]:
    return lambda world: (world.root / path).chmod(mode)


def hers(world: World) -> None:
    """All of an environment with another owner and group."""
    for folder, _folders, names in os.walk(world.root / NLP):
        for name in ("", *names):
            os.chown(os.path.join(folder, name), 1001, 1001, follow_symlinks=False)
    (world.root / NLP / "lib").chmod(0o775)


LEGITIMATE: dict[str, Callable[[World], t.Any]] = {
    "freshly converged": lambda _world: None,
    "another name of the installation": lambda world: (world.root / "opt/conda").symlink_to("miniconda3"),
    "a directory that made room": lambda world: world.write(f"{ROOT}/envs/.generations/nlp.adopted.1/conda-meta/history"),
    "a run at work": lambda world: world.write(f"{ROOT}/envs/.generations/.removing-nlp-0123456789ab.1.1/x"),
    "an editable installation": lambda world: world.pip("mine", "__editable__.mine.pth", "mine/__init__.py"),
    "a kernel of pip": lambda world: world.pip("ipykernel", "../../../share/jupyter/kernels/py/kernel.json"),
    "pins of the module": pinned,
    "what conda and pip leave": dots,
    "what an installer made": noted,
    "what a package made when it was linked": linked,
    "a package in the cache": lambda world: cached(world, "x = 1"),
    "an environment of a person": hers,
    "her own installation": lambda world: world.write("home/alice/miniconda3/conda-meta/history"),
    "a program of ours": program,
    "the program of the role": shell_program,
    "notes of a package in the cache": lambda world: world.write(f"{ROOT}/pkgs/x-1-0/info/test/run.sh").chmod(0o666),
    "of the machine that built it": lambda world: os.chown(world.write(f"{ROOT}/pkgs/x-1-0/lib/x"), 4711, 0),
    "what nobody can reach": lambda world: world.write(f"{ROOT}/pkgs-private/x/y").chmod(0o666),
    "a kernel whose file is gone, which its role compares": lambda world: (world.root / f"{KERNELS}/nlp/kernel.json").unlink(),
    "a kernel of another language, which its role compares": lambda world: world.write(
        f"{KERNELS}/nlp-ir/kernel.json", OURS["kernel.json"]
    ),
    "what conda does not read": lambda world: world.write("etc/conda/condarc.d/README"),
}
MUTATIONS: dict[str, tuple[Callable[[World], t.Any], str, str]] = {
    "an environment": (
        lambda world: world.write(f"{ROOT}/envs/evil/conda-meta/history"),
        f"environment /{ROOT}/envs/evil",
        "conda_envs_environments: [{name: evil, ...}], or rm -r",
    ),
    "a link in its place": (
        lambda world: (world.root / f"{ROOT}/envs/evil").symlink_to("/tmp/evil"),
        f"environment /{ROOT}/envs/evil",
        "rm -r",
    ),
    "a generation of another": (
        lambda world: world.write(f"{ROOT}/envs/.generations/old-0123456789ab.1/conda-meta/history"),
        f"environment /{ROOT}/envs/.generations/old-0123456789ab.1",
        "rm -r",
    ),
    "a kernel": (
        lambda world: world.write(f"{KERNELS}/evil/kernel.json", "{}"),
        f"kernel /{KERNELS}/evil",
        f"rm -r /{KERNELS}/evil, or an entry of conda_envs_environments",
    ),
    "a kernel in the place of ours": (
        lambda world: world.write(f"{KERNELS}/nlp/kernel.json", "{}"),
        f"kernel /{KERNELS}/nlp",
        "conda_envs_environments",
    ),
    "a kernel by its side": (
        lambda world: world.write(f"{KERNELS}/nlp-evil/kernel.json", "{}"),
        f"kernel /{KERNELS}/nlp-evil",
        "for everybody",
    ),
    "a kernel that claims to be of the lab": (
        lambda world: world.write(f"{KERNELS}/evil/kernel.json", OURS["kernel.json"]),
        f"kernel /{KERNELS}/evil",
        "for everybody",
    ),
    "a folder without a kernel": (
        lambda world: world.write(f"{KERNELS}/evil/kernel.js"),
        f"kernel /{KERNELS}/evil",
        "rm -r",
    ),
    "a link in the place of our kernel's file": (
        lambda world: link(world, f"{KERNELS}/nlp/kernel.json", "/tmp/kernel.json"),
        f"kernel /{KERNELS}/nlp",
        "conda_envs_environments",
    ),
    "a kernel beside the packages'": (
        lambda world: world.write("usr/share/jupyter/kernels/evil/kernel.json", "{}"),
        "kernel /usr/share/jupyter/kernels/evil",
        "rm -r",
    ),
    "an extension": (
        lambda world: world.write("usr/local/share/jupyter/labextensions/evil/package.json"),
        "part of JupyterLab /usr/local/share/jupyter/labextensions/evil",
        "rm -r",
    ),
    "a setting of Jupyter": (
        lambda world: world.write("etc/jupyter/jupyter_server_config.d/evil.json"),
        "setting of Jupyter /etc/jupyter/jupyter_server_config.d/evil.json",
        "rm -r",
    ),
    "another installation": (
        lambda world: world.write("opt/miniforge/conda-meta/history"),
        "installation /opt/miniforge",
        "rm -r /opt/miniforge, or miniconda_prefix: /opt/miniforge",
    ),
    "one of root": (lambda world: world.write("root/micromamba/conda-meta/history"), "installation /root/micromamba", "rm -r"),
    "one in /usr/local": (lambda world: world.write("usr/local/conda-meta/history"), "installation /usr/local", "rm -r"),
    "what the role moved aside": (
        lambda world: world.write(f"{ROOT}.replaced.1/conda-meta/history"),
        f"installation /{ROOT}.replaced.1",
        "moved aside",
    ),
    "a program": (
        lambda world: world.write("usr/local/bin/micromamba"),
        "program /usr/local/bin/micromamba",
        "rm /usr/local/bin",
    ),
    "another channel": (
        lambda world: world.package(NLP, "evil", "https://evil.example/t/tk-secret/conda-forge/linux-64"),
        "nlp: package evil from https://evil.example/conda-forge",
        "miniconda_allowlist_channels: [..., https://evil.example/conda-forge]",
    ),
    "a label of ours": (
        lambda world: world.package(NLP, "evil", "https://conda.anaconda.org/conda-forge/label/dev/linux-64"),
        "nlp: package evil from https://conda.anaconda.org/conda-forge/label/dev",
        "",
    ),
    "another channel in base": (
        lambda world: world.package(ROOT, "evil", "https://conda.anaconda.org/evil/linux-64"),
        "base: package evil from https://conda.anaconda.org/evil",
        "",
    ),
    "nearly a popular package": (
        lambda world: world.package(NLP, "reqeusts", FORGE),
        "nlp: package reqeusts",
        "'requests'",
    ),
    "one of pip": (lambda world: world.pip("Scikit_Lern", "x/__init__.py"), "nlp: package scikit-lern", "'scikit-learn'"),
    "a start-up file": (
        lambda world: world.write(f"{NLP}/{SITE}/evil.pth"),
        "nlp: file site-packages/evil.pth",
        f"rm -r /{NLP}/{SITE}/evil.pth",
    ),
    "a site hook": (
        lambda world: world.write(f"{NLP}/{SITE}/sitecustomize.py"),
        "nlp: file site-packages/sitecustomize.py",
        "rm -r",
    ),
    "a site hook in a folder": (
        lambda world: world.write(f"{NLP}/{SITE}/usercustomize/__init__.py"),
        "nlp: file site-packages/usercustomize",
        "rm -r",
    ),
    "a site hook before": (
        lambda world: world.write(f"{NLP}/lib/python3.12/usercustomize.py"),
        "nlp: file lib/python3.12/usercustomize.py",
        "rm -r",
    ),
    "a module in base": (lambda world: world.write(f"{ROOT}/{SITE}/evil/x.py"), "base: file site-packages/evil", "rm -r"),
    "a module that is a link": (
        lambda world: (world.root / f"{NLP}/{SITE}/evil").symlink_to("/home/alice"),
        "nlp: file site-packages/evil",
        "rm -r",
    ),
    "activation": (
        lambda world: world.write(f"{NLP}/etc/conda/activate.d/evil.sh"),
        "nlp: file etc/conda/activate.d/evil.sh",
        "rm -r",
    ),
    "deactivation": (
        lambda world: world.write(f"{ROOT}/etc/conda/deactivate.d/evil.sh"),
        "base: file etc/conda/deactivate.d/evil.sh",
        "rm -r",
    ),
    "a kernel inside": (
        lambda world: world.write(f"{NLP}/share/jupyter/kernels/evil/kernel.json"),
        "nlp: file share/jupyter/kernels/evil",
        "rm -r",
    ),
    "a setting of Jupyter inside": (
        lambda world: world.write(f"{NLP}/etc/jupyter/jupyter_server_config.py"),
        "nlp: file etc/jupyter/jupyter_server_config.py",
        "rm -r",
    ),
    "pins": (lambda world: world.write(f"{NLP}/conda-meta/pinned", "x\n"), "nlp: pins", f"rm /{NLP}/conda-meta/pinned"),
    "pins of base": (lambda world: world.write(f"{ROOT}/conda-meta/pinned", "x\n"), "base: pins", "rm"),
    "other pins than the module's": (
        other_pins,
        "nlp: pins",
        "rm",
    ),
    "settings before": (lambda world: world.write("etc/conda/.condarc"), "settings /etc/conda/.condarc", "miniconda_condarc"),
    "settings in a folder": (
        lambda world: world.write("var/lib/conda/condarc.d/evil.yml"),
        "settings /var/lib/conda/condarc.d/evil.yml",
        "rm",
    ),
    "settings beside": (lambda world: world.write(f"{ROOT}/condarc"), f"settings /{ROOT}/condarc", "rm"),
    "settings of an environment": (lambda world: world.write(f"{NLP}/.condarc"), f"settings /{NLP}/.condarc", "rm"),
    **{
        f"a stranger at {path}": (stranger(f"{NLP}/{path}"), f"nlp: file {path.replace(f'{LIB}/site-', 'site-')}", "rm -r")
        for path in (
            "bin/ls",
            "lib/libssl.so.3",
            "lib/python312.zip",
            f"{LIB}/requests.py",
            f"{LIB}/lib-dynload/x.so",
            f"{LIB}/site-packages/numpy/core.cpython-312-x86_64-linux-gnu.so",
            "etc/ipython/ipython_config.py",
            "etc/jupyter/jupyter_server_config.d/evil.json",
            "share/jupyter/labextensions/evil/package.json",
            "share/jupyter/lab/settings/overrides.json",
            "pip.conf",
            "pyvenv.cfg",
        )
    },
    "a program in the base": (stranger(f"{ROOT}/bin/ls"), "base: file bin/ls", "rm -r"),
    "settings of mamba": (stranger(f"{ROOT}/.mambarc"), f"settings /{ROOT}/.mambarc", "rm"),
    "settings of root": (stranger("root/.condarc"), "settings /root/.condarc", "rm"),
    "start-up files of IPython": (
        stranger("etc/ipython/ipython_config.py"),
        "setting of Jupyter /etc/ipython/ipython_config.py",
        "rm",
    ),
    "an installation further down": (stranger("opt/tools/mini/conda-meta/history"), "installation /opt/tools/mini", "rm -r"),
    "an installation at the top": (stranger("data/mini/conda-meta/history"), "installation /data/mini", "rm -r"),
    "a script of a kernel": (
        stranger(f"{KERNELS}/nlp/kernel.js"),
        f"script of a kernel /{KERNELS}/nlp/kernel.js",
        "rm -r",
    ),
    "a module that is closed": (
        chmod(f"{NLP}/{SITE}/numpy/__init__.py", 0o600),
        f"/{NLP}/{SITE}/numpy/__init__.py: closed to others",
        "chmod go+rX",
    ),
    "a package in the cache that says something else": (
        lambda world: cached(world, "x = 2"),
        "cache: x-1-0",
        f"rm -r /{ROOT}/pkgs/x-1-0 ",
    ),
    "a folder that is closed": (
        lambda world: (world.root / f"{NLP}/include").mkdir(mode=0o700),
        f"/{NLP}/include: closed to others",
        "chmod go+rX",
    ),
    "a file for everybody": (
        lambda world: world.write(f"{NLP}/share/tool").chmod(0o777),
        f"/{NLP}/share/tool: writable for everybody",
        "chmod go-w",
    ),
    "a file of a person": (
        chown(f"{NLP}/{SITE}/numpy/__init__.py"),
        f"/{NLP}/{SITE}/numpy/__init__.py: owned by alice",
        "chown -h root:root",
    ),
    "a former generation of a person": (chown(f"{FORMER}/conda-meta"), f"/{FORMER}/conda-meta: owned by alice", "chown"),
    "a file for a group": (
        lambda world: (chown(f"{NLP}/conda-meta/history", 0, 1001)(world), chmod(f"{NLP}/conda-meta/history", 0o664)(world)),
        f"/{NLP}/conda-meta/history: writable for group 1001",
        "chmod go-w",
    ),
    "the installation itself": (chmod(ROOT, 0o777), f"/{ROOT}: writable for everybody", "chmod go-w"),
    "the folder of environments": (chown(f"{ROOT}/envs"), f"/{ROOT}/envs: owned by alice", "chown"),
    "a package in the cache": (
        lambda world: os.chown(world.write(f"{ROOT}/pkgs/x-1-0/lib/x.py"), 1001, 0),
        f"/{ROOT}/pkgs/x-1-0/lib/x.py: owned by alice",
        "chown",
    ),
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_what_roles_and_people_make_is_no_finding(world: World, name: str) -> None:
    LEGITIMATE[name](world)
    assert world.find() == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_nobody_declared_is_named(world: World, name: str) -> None:
    mutate, title, part = MUTATIONS[name]
    mutate(world)
    (finding,) = world.find()
    assert (finding.topic, finding.name) == (TOPIC, title)
    assert part in f"{finding.found} {finding.expected} {finding.way_out}"
    assert "tk-secret" not in str(finding)
    assert finding.severity == ("notice" if "replaced" in title else finding.severity)


def test_without_conda_nothing_of_it_is_looked_at(tmp_path: Path) -> None:
    def attempt(*_argv: str) -> tuple[int, str, str]:
        raise AssertionError("nothing is to be asked")

    assert list(find(Host(attempt, root=str(tmp_path)), Declared())) == []
    assert list(find(Host(attempt, root=str(tmp_path)), DECLARED)) == []


def test_other_installations_are_found_without_a_conda_of_the_lab(world: World) -> None:
    assert [finding.name for finding in world.find(Declared(kernels_dir=f"/{KERNELS}"))] == [
        f"installation /{ROOT}",
        f"kernel /{KERNELS}/nlp",
    ]


def test_without_allowed_channels_no_channel_is_a_finding(world: World) -> None:
    world.package(NLP, "evil", "https://evil.example/linux-64")
    assert world.find(Declared(conda_root=f"/{ROOT}", environments=("nlp",), kernels_dir=f"/{KERNELS}")) == []


def test_a_folder_is_told_once_for_all_that_is_in_it(world: World) -> None:
    for number in range(3):
        chown(str(world.write(f"{NLP}/given/x/{number}").relative_to(world.root)))(world)
    chown(f"{NLP}/given/x")(world)
    chown(f"{NLP}/given")(world)
    assert [finding.name for finding in world.find()] == [f"/{NLP}/given: owned by alice"]


def test_many_files_end_in_one_line(world: World) -> None:
    for number in range(TOLD + 10):
        world.write(f"{NLP}/data/{number}").chmod(0o666)
    found = world.find()
    assert len(found) == TOLD + 1
    assert found[-1].name == f"/{ROOT}: more files"


def test_an_environment_that_is_no_generation_is_looked_at(world: World) -> None:
    world.write(f"{ROOT}/envs/old/{SITE}/evil.pth")
    declared = Declared(conda_root=f"/{ROOT}", environments=("nlp", "old"), kernels_dir=f"/{KERNELS}")
    assert [finding.name for finding in world.find(declared)] == ["old: file site-packages/evil.pth"]


def test_the_root_may_be_a_link(world: World) -> None:
    (world.root / "data").mkdir()
    (world.root / ROOT).rename(world.root / "data/conda")
    (world.root / ROOT).symlink_to("../data/conda")
    assert world.find() == []
    world.write(f"data/conda/envs/.generations/nlp-0123456789ab.2/{SITE}/evil.pth")
    assert [finding.name for finding in world.find()] == ["nlp: file site-packages/evil.pth"]


def test_what_cannot_be_read_in_time_is_told(world: World) -> None:
    host = Host(world.attempt, root=str(world.root), seconds=-1)
    assert [(finding.name, finding.severity) for finding in find(host, DECLARED)] == [(f"/{ROOT}: not all", "notice")]


@pytest.mark.parametrize("what", ["fifo", "link", "nothing", "bytes", "deep", "other"])
def test_a_record_that_is_none_makes_no_files_unrecorded(world: World, what: str) -> None:
    path = world.root / NLP / "conda-meta/numpy-1-0.json"
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to("/dev/zero")
    elif what != "nothing":
        path.write_bytes({"bytes": b"\xff\xfe", "deep": b"[" * 100_000, "other": b'{"files": 3}'}[what])
    names = [finding.name for finding in world.find()]
    assert names == (["nlp: file site-packages/numpy"] if what == "nothing" else [])


@pytest.mark.parametrize("path", [f"{NLP}/.conda_env.json", f"{NLP}/{SITE}/x-1.dist-info/RECORD", f"{KERNELS}/evil/kernel.json"])
def test_a_pipe_stops_nothing(world: World, path: str) -> None:
    world.write(f"{NLP}/conda-meta/pinned")
    place = world.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(place)
    world.write(f"{NLP}/{SITE}/evil.pth")
    assert {"nlp: file site-packages/evil.pth", "nlp: pins"} <= {finding.name for finding in world.find()}


def test_names_stay_on_their_line(world: World) -> None:
    place = os.fsencode(world.root / ROOT / "envs") + b"/a\nb\xff"
    os.mkdir(place)
    (finding,) = world.find()
    assert finding.name == f"environment /{ROOT}/envs/a\\nb\\udcff"


def test_places_in_the_roles_own_condarc() -> None:
    text = """\
# Ansible managed
channels:  #!final
  - "lab"
channel_alias: "https://mirror.example/conda/"  #!final
custom_channels:  #!final
  "lab": "https://lab.example/channels"
channel_priority: "strict"  #!final
default_channels:  #!final
  - "https://mirror.example/main"
pkgs_dirs:
  - /opt/miniconda3/pkgs
"""
    found = condarc_settings(text)
    assert found.channel_alias == "https://mirror.example/conda"
    assert found.custom_channels == (("lab", "https://lab.example/channels"),)
    assert found.default_channels == ("https://mirror.example/main",)


def test_packages_of_a_mirror_are_allowed(world: World) -> None:
    world.write(f"{ROOT}/.condarc", 'custom_channels:  #!final\n  "conda-forge": "https://mirror.example"\n')
    names = {finding.name.partition(" from ")[0] for finding in world.find()}
    assert names == {"nlp: package numpy", "nlp: package setuptools", "nlp: package gdal"}
    for name in ("numpy", "setuptools", "gdal"):
        record = world.root / NLP / f"conda-meta/{name}-1-0.json"
        record.write_text(record.read_text().replace("https://conda.anaconda.org", "https://mirror.example"))
    assert world.find() == []
