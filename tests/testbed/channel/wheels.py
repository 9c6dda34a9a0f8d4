# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn wheels into conda packages for Python 3.11 on linux-64 (binary distribution format, PEP 427 and PEP 491)."""

from __future__ import annotations

import base64
import configparser
import email.parser
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from .conda_channel import PLACEHOLDER, File, Package

PYTHON = "3.11"
SITE_PACKAGES = f"lib/python{PYTHON}/site-packages"
# Build strings begin with one of these: noarch packages and packages that need this Python.
PURE_BUILD, BINARY_BUILD = "pyhd8ed_0", "py311h06a4_0"
# The environment that markers are evaluated in (PEP 508): the test servers, not the machine that builds.
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON}.2",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": f"{PYTHON}.2",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
# conda-forge's spelling where it is not the canonical name of PyPI.
CONDA_NAMES = {
    "backports-zstd": "backports.zstd",
    "fastjsonschema": "python-fastjsonschema",
    "importlib-metadata": "importlib_metadata",
    "ipython-pygments-lexers": "ipython_pygments_lexers",
    "jupyter-client": "jupyter_client",
    "jupyter-core": "jupyter_core",
    "jupyter-events": "jupyter_events",
    "jupyter-server": "jupyter_server",
    "jupyter-server-terminals": "jupyter_server_terminals",
    "jupyterlab-pygments": "jupyterlab_pygments",
    "jupyterlab-server": "jupyterlab_server",
    "prometheus-client": "prometheus_client",
    "pure-eval": "pure_eval",
    "ruamel-yaml": "ruamel.yaml",
    "ruamel-yaml-clib": "ruamel.yaml.clib",
    "stack-data": "stack_data",
    "typing-extensions": "typing_extensions",
}


@dataclass(frozen=True)
class Wheel:
    """A wheel's files and metadata."""

    path: Path
    name: str
    version: str
    metadata: Message
    pure: bool

    @classmethod
    def open(cls, path: Path) -> Wheel:
        name, version, _, tags = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            member = next(n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
            metadata = email.parser.Parser().parsestr(archive.read(member).decode())
        return cls(path, name, str(version), metadata, pure={tag.platform for tag in tags} == {"any"})

    def requirements(self, extras: Iterable[str] = ()) -> list[Requirement]:
        """What the wheel needs on the target, with the given extras."""
        environments = [{**MARKERS, "extra": extra} for extra in ("", *extras)]
        found = [Requirement(text) for text in self.metadata.get_all("Requires-Dist") or ()]
        return [r for r in found if r.marker is None or any(r.marker.evaluate(env) for env in environments)]


def conda_name(name: str) -> str:
    canonical = canonicalize_name(name)
    return CONDA_NAMES.get(canonical, canonical)


def conda_version(specifiers: SpecifierSet) -> str:
    """A version constraint in conda's syntax; empty if any version will do."""
    return ",".join(sorted(_conda_clause(clause) for clause in specifiers))


def _conda_clause(clause: Specifier) -> str:
    if clause.operator == "~=":
        # PEP 440: ~=2.2.1 is >=2.2.1 and ==2.2.*
        return f">={clause.version},{clause.version.rpartition('.')[0]}.*"
    if clause.operator in ("==", "===") and clause.version.endswith(".*"):
        return clause.version
    return f"{'==' if clause.operator == '===' else clause.operator}{clause.version}"


def conda_spec(requirement: Requirement) -> str:
    """A requirement without its marker and extras as a conda match specification."""
    return f"{conda_name(requirement.name)} {conda_version(requirement.specifier)}".strip()


def wanted_extras(wheels: Mapping[str, Wheel]) -> dict[str, set[str]]:
    """Which extras of each wheel the others ask for, by canonical name. Conda has no extras: they become dependencies."""
    wanted: dict[str, set[str]] = {name: set() for name in wheels}
    waiting = list(wheels)
    while waiting:
        name = waiting.pop()
        for requirement in wheels[name].requirements(wanted[name]):
            target = canonicalize_name(requirement.name)
            if target in wanted and not requirement.extras <= wanted[target]:
                wanted[target] |= requirement.extras
                waiting.append(target)
    return wanted


def unmet(wheels: Iterable[Wheel]) -> list[str]:
    """The requirements that none of the given wheels meets, as ``name version: requirement``."""
    offered: dict[str, list[str]] = {}
    wheels = list(wheels)
    for wheel in wheels:
        offered.setdefault(canonicalize_name(wheel.name), []).append(wheel.version)
    return [
        f"{wheel.name} {wheel.version}: {requirement}"
        for wheel in wheels
        for requirement in wheel.requirements()
        if not any(requirement.specifier.filter(offered.get(canonicalize_name(requirement.name), ())))
    ]


def to_package(wheel: Wheel, extras: Iterable[str] = ()) -> Package:
    """The conda package of a wheel, with the dependencies of the given extras."""
    files: dict[str, File] = {}
    entry_points: tuple[str, ...] = ()
    info = ""
    site_packages = "site-packages" if wheel.pure else SITE_PACKAGES
    with zipfile.ZipFile(wheel.path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            data, executable = archive.read(member), bool(member.external_attr >> 16 & 0o111)
            path = _place(member.filename, wheel.pure, site_packages)
            if path.startswith(("bin/", "python-scripts/")):
                data, executable = _with_interpreter(data), True
            if path.startswith("share/jupyter/kernels/") and path.endswith("/kernel.json"):
                data = data.replace(b'"python"', f'"{PLACEHOLDER}/bin/python"'.encode(), 1)  # as in conda-forge's ipykernel
            files[path] = File(data, executable)
            if member.filename.endswith(".dist-info/METADATA") and member.filename.count("/") == 1:
                info = path.removesuffix("/METADATA")
            if member.filename.endswith(".dist-info/entry_points.txt") and member.filename.count("/") == 1:
                entry_points = _console_scripts(data.decode())
    if not wheel.pure:
        files |= {f"bin/{line.partition('=')[0].strip()}": _launcher(line) for line in entry_points}
    files[f"{info}/INSTALLER"] = File.text("conda\n")
    files[f"{info}/RECORD"] = _installed_record(files, site_packages, f"{info}/RECORD")
    return Package(
        name=conda_name(wheel.name),
        version=wheel.version,
        files=files,
        build=PURE_BUILD if wheel.pure else BINARY_BUILD,
        depends=_depends(wheel, extras),
        noarch="python" if wheel.pure else None,
        entry_points=entry_points if wheel.pure else (),
        license=wheel.metadata.get("License-Expression") or "see the package's own files",
    )


def _depends(wheel: Wheel, extras: Iterable[str]) -> tuple[str, ...]:
    if wheel.pure:
        python = f"python {conda_version(SpecifierSet(wheel.metadata.get('Requires-Python') or '>=3.8'))}"
    else:
        python = f"python >={PYTHON},<3.12.0a0"
    own = canonicalize_name(wheel.name)
    specs = {conda_spec(r) for r in wheel.requirements(extras) if canonicalize_name(r.name) != own}
    return (python, *sorted(specs))


def _place(member: str, pure: bool, site_packages: str) -> str:
    """Where a wheel's file goes in a package (PEP 491, "the .data directory")."""
    top, _, rest = member.partition("/")
    if not top.endswith(".data"):
        return f"{site_packages}/{member}"
    scheme, _, path = rest.partition("/")
    distribution = top.partition("-")[0]
    folder = {
        "purelib": f"{site_packages}/",
        "platlib": f"{site_packages}/",
        "scripts": "python-scripts/" if pure else "bin/",
        "headers": f"include/python{PYTHON}/{distribution}/",
        "data": "",
    }[scheme]
    return f"{folder}{path}"


def _with_interpreter(data: bytes) -> bytes:
    """PEP 427: the installer replaces the first line ``#!python``."""
    first, newline, rest = data.partition(b"\n")
    if not first.startswith(b"#!python"):
        return data
    return f"#!{PLACEHOLDER}/bin/python".encode() + newline + rest


def _console_scripts(text: str) -> tuple[str, ...]:
    """The lines of entry_points.txt that name commands, without extras."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case sensitive
    parser.read_string(text)
    if not parser.has_section("console_scripts"):
        return ()
    return tuple(f"{name} = {target.partition('[')[0].strip()}" for name, target in parser["console_scripts"].items())


def _launcher(entry_point: str) -> File:
    module, _, function = entry_point.partition("=")[2].strip().partition(":")
    code = f"import sys\n\nfrom {module} import {function.partition('.')[0]}\n\nsys.exit({function}())\n"
    return File.text(f"#!{PLACEHOLDER}/bin/python\n{code}", executable=True)


def _installed_record(files: Mapping[str, File], site_packages: str, own_path: str) -> File:
    """RECORD of the installed files, relative to site-packages; commands and the record itself have no checksum."""
    up = "../" * (SITE_PACKAGES.count("/") + 1)
    lines = []
    for path in sorted({*files, own_path}):
        if path.startswith(f"{site_packages}/"):
            shown = path.removeprefix(f"{site_packages}/")
        else:
            shown = up + path.replace("python-scripts/", "bin/", 1)
        if path == own_path or (path in files and PLACEHOLDER.encode() in files[path].data):
            lines.append(f"{shown},,")
        else:
            data = files[path].data
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{shown},sha256={digest},{len(data)}")
    return File.text("\n".join(lines) + "\n")
