# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of the mirror: an installer with a real conda, and two channels, all made from package registries.

``.cache/mirror/`` then holds ``miniconda/`` (the installer and SHA256SUMS), ``conda/<channel>/`` and ``mirror.json``, which
describes it. The wheels are pinned by hash in ``lock/``; Debian's archive signs what comes from there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name
from shell import CACHE, TestbedError, run, say, stage

from . import conda_installer
from .conda_channel import Package, unpack, write_package, write_repodata
from .debian_python import compiled, extract, pycosat_package, python_package
from .small_packages import SMALL_PACKAGES
from .wheels import PYTHON, Wheel, to_package, unmet, wanted_extras

HERE = Path(__file__).resolve().parent
MIRROR = CACHE / "mirror"
WORK = CACHE / "mirror-build"
# What pip may take for hosts with glibc 2.36 (Debian 12), newest first.
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1")
# The modules whose code decides what the content is.
MAKERS = ("conda_channel", "conda_installer", "debian_python", "mirror", "small_packages", "wheels")


def ensure() -> None:
    """Build the mirror's content unless it is there already and nothing that goes into it changed."""
    digest = inputs_digest()
    described = MIRROR / "mirror.json"
    if described.is_file() and json.loads(described.read_text()).get("digest") == digest:
        say("the mirror's content is up to date")
        return
    with stage("downloading wheels, pinned by hash"):
        channel, older, base = (_download(name) for name in ("channel", "older", "installer"))
    with stage(f"unpacking Python {PYTHON} from Debian's packages"):
        extract(WORK / "debian")
        python, pycosat = python_package(WORK / "debian"), pycosat_package(WORK / "debian")
        shutil.rmtree(WORK / "python", ignore_errors=True)
        unpack(python, WORK / "python")
        interpreter = WORK / f"python/bin/python{PYTHON}"
        python = replace(python, files=compiled(interpreter, dict(python.files)))
    new = WORK / "mirror"
    shutil.rmtree(new, ignore_errors=True)
    with stage("building the installers"):
        versions = _build_installers(base, older, [python, pycosat], new / "miniconda")
    with stage("building the channels"):
        built = _build_channels([*channel, *older], python, interpreter, new / "conda")
    _describe(new, versions, built, digest)
    _replace(new)
    with stage("tidying up"):
        for folder in ("old", "mirror"):
            shutil.rmtree(WORK / folder, ignore_errors=True)


def _replace(new: Path) -> None:
    """Put the new content in place of the old. The folder itself stays: the mirror's container has it mounted."""
    old = WORK / "old"
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir(parents=True)
    MIRROR.mkdir(parents=True, exist_ok=True)
    # The description comes last and goes first: an interrupted run is repeated by the next.
    for name in ("mirror.json", "miniconda", "conda"):
        if (MIRROR / name).exists():
            (MIRROR / name).rename(old / name)
    for name in ("conda", "miniconda", "mirror.json"):
        (new / name).rename(MIRROR / name)


def inputs_digest() -> str:
    """A digest of everything that the content is made from: the locks, the templates and this code."""
    digest = hashlib.sha256()
    code = [HERE / f"{module}.py" for module in MAKERS]
    for path in sorted([*code, *(HERE / "lock").glob("*.txt"), *(HERE / "installer").iterdir()]):
        digest.update(f"\0{path.relative_to(HERE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _download(lock: str) -> list[Wheel]:
    """The wheels that a lock file names, verified by their hashes."""
    folder = WORK / "wheels" / lock
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", "--dest", str(folder)]
    for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in PLATFORMS:
        command += ["--platform", f"{platform}_x86_64"]
    text = HERE / "lock" / f"{lock}.txt"
    wanted = hashlib.sha256(text.read_bytes()).hexdigest()
    stamp = folder / ".lock-digest"
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        run([*command, "--requirement", text], timeout=900)
        stamp.write_text(wanted)
    return [Wheel.open(path) for path in sorted(folder.glob("*.whl"))]


def _convert(wheels: Iterable[Wheel]) -> list[Package]:
    by_name: dict[str, Wheel] = {canonicalize_name(wheel.name): wheel for wheel in wheels}
    extras = wanted_extras(by_name)
    return [to_package(wheel, extras[name]) for name, wheel in by_name.items()]


def _build_installers(wheels: list[Wheel], older: list[Wheel], others: list[Package], target: Path) -> list[str]:
    """Write two installers, so that an update can be tested, and return their versions: the first brings older packages."""
    carrier = next(wheel for wheel in wheels if wheel.name == "conda-lock")
    newest = {wheel.name: wheel for wheel in wheels if wheel is not carrier}

    def build_one(build_number: int, replaced: list[Wheel]) -> str:
        base = newest | {wheel.name: wheel for wheel in replaced if wheel.name in newest}
        packages = [*others, *_convert(base.values())]
        needed = tuple(sorted(package.name for package in packages if package.name not in ("python", "wheel")))
        packages.append(conda_installer.conda_package(carrier, needed))
        # a short path: conda rewrites the first line of scripts whose interpreter's path is too long for the kernel
        with tempfile.TemporaryDirectory(prefix="conda-") as work:
            return conda_installer.build(packages, Path(work), build_number, target)

    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(build_one, (0, 1), (older, [])))


def _build_channels(wheels: list[Wheel], python: Package, interpreter: Path, target: Path) -> dict[str, list[str]]:
    """Write all channels and return the files of each."""
    missing = unmet(wheels)
    if missing:
        raise TestbedError("the locks are incomplete, no environment could be solved: " + "; ".join(missing))
    newest: dict[str, Wheel] = {canonicalize_name(wheel.name): wheel for wheel in reversed(wheels)}
    extras = wanted_extras(newest)

    def build_one(wheel: Wheel) -> None:
        package = to_package(wheel, extras[canonicalize_name(wheel.name)])
        if not package.noarch:
            package = replace(package, files=compiled(interpreter, dict(package.files)))
        write_package(target / "conda-forge", package)

    write_package(target / "conda-forge", python)
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(build_one, wheels))
    for channel, packages in SMALL_PACKAGES.items():
        for package, archive_format in packages:
            write_package(target / channel, package, archive_format)
        write_repodata(target / channel)
    return {
        channel: sorted(p.name for p in (target / channel).glob("*/*") if p.name.endswith((".conda", ".tar.bz2")))
        for channel in SMALL_PACKAGES
    }


def _describe(root: Path, versions: list[str], packages: dict[str, list[str]], digest: str) -> None:
    """Write SHA256SUMS and mirror.json. The last version is the one that tests install unless they say otherwise."""
    installers = []
    for version in versions:
        name = conda_installer.file_name(version)
        checksum = hashlib.sha256((root / "miniconda" / name).read_bytes()).hexdigest()
        installers.append({"miniconda_version": version, "installer": name, "checksum": f"sha256:{checksum}"})
    sums = (f"{each['checksum'].removeprefix('sha256:')}  {each['installer']}\n" for each in installers)
    (root / "miniconda/SHA256SUMS").write_text("".join(sums))
    description = {**installers[-1], "installers": installers, "packages": packages, "digest": digest}
    (root / "mirror.json").write_text(json.dumps(description, indent=1) + "\n")
