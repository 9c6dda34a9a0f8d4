# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conda packages of Python 3.11 and pycosat, made from Debian 12's packages.

Debian's files are made to work from any prefix, on any Debian of the same or a later release: the shared libraries that are
not glibc's come along, found relative to the file that needs them ($ORIGIN, see ld.so(8)).
"""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from debian_packages import need
from shell import TestbedError, is_root, run

from .conda_channel import EPOCH, File, Package
from .wheels import BINARY_BUILD, PYTHON, SITE_PACKAGES

SUITE = "bookworm"
STDLIB = f"lib/python{PYTHON}"
# glibc's own libraries, which every Debian host has and which must match its dynamic loader.
GLIBC = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|anl|nss_.*))\.so\.\d+")
# Left out: tests, Debian's mark that pip may not install, and extensions whose libraries would pull in Kerberos.
LEFT_OUT = re.compile(r"(^|/)(test|__pycache__|EXTERNALLY-MANAGED|nis\.[^/]*so|_test[^/]*\.so|xxlimited[^/]*\.so)($|/)")
# Debian's site module, which is frozen into the interpreter, knows dist-packages alone.
SITECUSTOMIZE = """\
import os
import site
import sys

_own = os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
if _own not in sys.path:
    site.addsitedir(_own)
"""


def extract(folder: Path) -> None:
    """Unpack Debian's packages of Python and pycosat, and what they need, into a folder."""
    need("mmdebstrap", "mmdebstrap")
    shutil.rmtree(folder, ignore_errors=True)
    mode = "root" if is_root() else "chrootless"  # nothing of it is run here: unpacking needs no rights
    include = f"--include=python{PYTHON},python3-pycosat"
    run(["mmdebstrap", "--quiet", f"--mode={mode}", "--variant=extract", include, SUITE, folder], timeout=600)


def python_package(tree: Path) -> Package:
    """The package ``python`` from an unpacked tree."""
    source = tree / "usr" / STDLIB
    files = {f"bin/python{PYTHON}": File((tree / f"usr/bin/python{PYTHON}").read_bytes(), executable=True)}
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source).as_posix()
        if path.is_file() and not LEFT_OUT.search(inside):
            files[f"{STDLIB}/{inside}"] = File(path.read_bytes())
    for name in ("python", "python3"):
        files[f"bin/{name}"] = File(link_to=f"python{PYTHON}")
    files[f"{STDLIB}/sysconfig.py"] = _upstream_layout(files[f"{STDLIB}/sysconfig.py"])
    files[f"{STDLIB}/sitecustomize.py"] = File.text(SITECUSTOMIZE)
    files[f"{SITE_PACKAGES}/README.txt"] = File.text("Packages of this environment.\n")
    version = re.search(rb"\0(%b\.\d+)\0" % re.escape(PYTHON.encode()), files[f"bin/python{PYTHON}"].data)
    if version is None:
        raise TestbedError("Debian's Python does not name its version")
    return Package(
        name="python",
        version=version[1].decode(),
        files=_relocatable(tree, files),
        build="h1d0_0_cpython",
        depends=("__glibc >=2.36",),
        license="PSF-2.0",
    )


def pycosat_package(tree: Path) -> Package:
    """The package ``pycosat``, the solver that conda's classic solver uses."""
    source = tree / "usr/lib/python3/dist-packages"
    module = next(source.glob(f"pycosat.cpython-{PYTHON.replace('.', '')}-*.so"), None)
    record = next(source.glob("pycosat-*.egg-info"), None)
    if module is None or record is None:
        raise TestbedError("Debian's python3-pycosat does not hold what it used to")
    files = {f"{SITE_PACKAGES}/{path.name}": File(path.read_bytes()) for path in (module, record)}
    return Package(
        name="pycosat",
        version=record.stem.removeprefix("pycosat-"),
        files=_relocatable(tree, files),
        build=BINARY_BUILD,
        depends=(f"python >={PYTHON},<3.12.0a0",),
    )


def _upstream_layout(sysconfig_module: File) -> File:
    """pip shall install into site-packages of the prefix, as upstream does, not into Debian's local/dist-packages."""
    text = sysconfig_module.data.decode()
    debian, upstream = "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"
    if text.count(debian) != 1:
        raise TestbedError("Debian's sysconfig.py no longer has the line that sets its installation layout")
    return File.text(text.replace(debian, upstream))


def _relocatable(tree: Path, files: dict[str, File]) -> dict[str, File]:
    """The files with the libraries they need in lib/, each told where to look for them."""
    done = dict(files)
    waiting = [path for path, entry in files.items() if entry.data.startswith(b"\x7fELF")]
    with tempfile.TemporaryDirectory(prefix="testbed-elf-") as folder:
        scratch = Path(folder) / "elf"
        while waiting:
            path = waiting.pop()
            scratch.write_bytes(done[path].data)
            for library in _patchelf("--print-needed", scratch).split():
                if not GLIBC.fullmatch(library) and f"lib/{library}" not in done:
                    done[f"lib/{library}"] = File(_library(tree, library), executable=True)
                    waiting.append(f"lib/{library}")
            origin = f"$ORIGIN/{os.path.relpath('lib', os.path.dirname(path))}"
            _patchelf("--set-rpath", origin, scratch)
            done[path] = File(scratch.read_bytes(), done[path].executable)
    return done


def _library(tree: Path, name: str) -> bytes:
    for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"):
        if (tree / folder / name).exists():
            return (tree / folder / name).read_bytes()
    raise TestbedError(f"{name} is in none of the unpacked Debian packages")


def _patchelf(*words: str | Path) -> str:
    program = Path(sysconfig.get_path("scripts")) / "patchelf"
    return run([program, *words], timeout=60).stdout


def compiled(python: Path, files: dict[str, File], below: Iterable[str] = ("lib/",)) -> dict[str, File]:
    """The files with byte code for the Python sources, as packages of conda-build have it.

    Without it every user who may not write to the environment compiles the sources at each start. Byte code of a source
    that does not compile (some packages carry such test data) is left out.
    """
    done = dict(files)
    with tempfile.TemporaryDirectory(prefix="testbed-pyc-") as folder:
        for path, entry in files.items():
            if path.endswith(".py") and path.startswith(tuple(below)):
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(entry.data)
                os.utime(target, (EPOCH, EPOCH))  # byte code carries its source's time
        run(
            [python, "-I", "-W", "ignore", "-m", "compileall", "-q", "--invalidation-mode", "timestamp", "-s", folder, folder],
            timeout=600,
            check=False,
        )
        for found in sorted(Path(folder).rglob("*.pyc")):
            done[found.relative_to(folder).as_posix()] = File(found.read_bytes())
    return done
