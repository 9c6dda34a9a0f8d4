# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For which CUDA packages are made, as their names, versions and dependencies tell. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator

from .cuda import FORWARD, UNKNOWN, Need, Version

# conda packages whose version is that of CUDA.
_RUNTIMES = frozenset(
    (
        "cuda-version",
        "cuda-toolkit",
        "cuda-cudart",
        "cuda-runtime",
        "cuda-libraries",
        "cudatoolkit",
        "pytorch-cuda",
        FORWARD,
    )
)
# `cuda126_py311_0` of conda-forge, `py3.11_cuda12.1_cudnn8.9.2_0` of the channel pytorch.
_BUILD = re.compile(r"(?:^|_)cuda_?(?P<major>\d{2})\.?(?P<minor>\d)?(?![\d.])")
_AT_LEAST = re.compile(r">=\s*(\d+)(?:\.(\d+))?")
_FIRST = re.compile(r"(\d+)(?:\.(\d+))?")
# The beginning of a match spec: name, and the version that is the least or the only one.
_SPEC = re.compile(r"^(?:\S+::)?(?P<name>[A-Za-z0-9_.-]+?)\s*(?:[=~>]=?=?\s*|\s+=*)(?P<version>\d+(?:\.\d+)?)")
_FORWARD = re.compile(rf"^(?:\S+::)?{FORWARD}(?![A-Za-z0-9_.-])", re.IGNORECASE)
# PyPI: `nvidia-cublas-cu12`, `cupy-cuda12x`, `cudf-cu12`, `jax-cuda12-plugin`; `+cu126` of PyTorch's own index, of
# JAX's `+cuda12.cudnn89`.
_SUFFIX = re.compile(r"-cu(?:da)?(\d{2,3})(?:x|-plugin|-pjrt)?$")
_LOCAL = re.compile(r"\+cu(?:da)?(\d{2,3})(?!\d)")
_EXTRA = re.compile(r"\[[^]]*\bcuda(\d{2})(?![0-9A-Za-z])[^]]*\]")
# Of an environment marker (PyPA, "Dependency specifiers"), what holds on every host of ours.
_HERE = re.compile(r"\s*(?:sys_platform\s*==\s*['\"]l|platform_system\s*==\s*['\"]L)inux['\"]\s*")
_INDEX = re.compile(r"/whl/(?:nightly/)?(cu(\d{2,3}))/?(?=\s|$|['\"])")
# Whose version is that of CUDA.
_WHEELS = re.compile(r"^nvidia-cuda-(?:runtime|nvrtc|cupti)(?:-cu\d+)?$")
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*(?:===?\s*(?P<version>[^\s;,#]+))?")


def of_records(records: Iterable[t.Any]) -> list[Need]:
    """Of conda packages, by their records (a mapping, or a record of conda)."""
    return [need for record in records for need in _of_record(record)]


def _of_record(record: t.Any) -> Iterator[Need]:
    name, version = str(record.get("name")), str(record.get("version"))
    what = f"{name} {version}"
    if name in _RUNTIMES:
        yield from _need(_FIRST.match(version), name if name == "cuda-version" else what, forward=name == FORWARD)
    build = _BUILD.search(str(record.get("build") or ""))
    if build:
        yield Need(_short(build["major"] + (build["minor"] or "")), f"{what} {record.get('build')}")
    for spec in (*(record.get("depends") or ()), *(record.get("constrains") or ())):
        if str(spec).split(" ", 1)[0] == "__cuda":
            yield from _need(_AT_LEAST.search(str(spec)), what, strict=True)


def of_specs(specs: Iterable[str]) -> list[Need]:
    """Of what an environment file asks conda for, as far as that alone tells it."""
    found = []
    for spec in specs:
        named = _SPEC.match(spec)
        if named and named["name"].lower() in _RUNTIMES:
            found += _need(_FIRST.match(named["version"]), f"'{spec}'")
        if _FORWARD.match(spec):
            found.append(Need(UNKNOWN, f"'{spec}'", forward=True))
    return found


def of_requirements(lines: Iterable[str]) -> list[Need]:
    """Of lines that are given to pip."""
    return [need for line in lines for need in _of_line(line.strip())]


def _of_line(line: str) -> Iterator[Need]:
    index = _INDEX.search(line)
    if index:
        yield Need(_short(index[2]), f"a package of the index {index[1]}")
    _package, condition, marker = line.partition(";")
    if line.startswith(("-", "#")) or (condition and not _HERE.fullmatch(marker)):
        # Whether another condition holds, pip says by what it chooses, and that is compared, too.
        return
    named = _REQUIREMENT.match(line)
    if named:
        yield from of_distributions([(named["name"], named["version"] or "")])
    extra = _EXTRA.search(line)
    if extra:
        yield Need((int(extra[1]), 0), f"'{line.partition(';')[0].strip()}'")


def of_distributions(distributions: Iterable[tuple[str, str]]) -> list[Need]:
    """Of Python distributions by name and version, as pip has chosen them."""
    found = []
    for title, version in distributions:
        name = re.sub(r"[-_.]+", "-", title).lower()
        what = f"{name} {version}".strip()
        suffix, local = _SUFFIX.search(name), _LOCAL.search(version)
        if _WHEELS.match(name) and _FIRST.match(version):
            found += _need(_FIRST.match(version), what)
        elif local or suffix:
            found.append(Need(_short((local or suffix)[1]), what))  # type: ignore[index]  # one of them is there
    return found


def _need(found: re.Match[str] | None, package: str, *, strict: bool = False, forward: bool = False) -> list[Need]:
    return [Need((int(found[1]), int(found[2] or 0)), package, strict, forward)] if found else []


def _short(digits: str) -> Version:
    """`126` is 12.6, `12` is 12, and `92` was 9.2."""
    if len(digits) == 2 and int(digits) < 40:
        return int(digits), 0
    return int(digits[:-1]), int(digits[-1])
