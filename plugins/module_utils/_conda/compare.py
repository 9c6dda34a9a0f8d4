# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed against a specification, as far as metadata alone can tell. Pure.

Names, exact and prefix versions, builds and channels are compared. Ranges and whatever else needs the order of versions are left
to conda and pip: they count as undecided, never as right. Private to this collection.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t

from .lock import pip_lines
from .records import normal, without_credentials
from .specification import Specification, package_name

_SPEC = re.compile(
    r"^(?:(?P<channel>\S+)::)?(?P<name>[\w.+-]+?)"
    r"(?:(?:\s*(?P<sign>==?)\s*|\s+)(?P<version>[\w.!+*-]+)(?:(?:\s*=|\s+)(?P<build>[^\s=]+))?)?$"
)
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^]]*\])?\s*(?P<rest>[^;]*)(?P<marker>;.*)?$")
_EXACT = re.compile(r"^===?\s*(?P<version>[\w.!+-]+)$")
_EGG = re.compile(r"[#&]egg=(?P<name>[\w.-]+)")
_SUBDIR = re.compile(r"/(?:noarch|linux-\w+)$")


def compare(specification: Specification, packages: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """`missing`, `wrong`, `extra` and `undecided` lines; `packages` as conda_env_info lists them."""
    found: dict[str, list[str]] = {"missing": [], "wrong": [], "extra": [], "undecided": []}
    by_conda = {item["name"]: item for item in packages if item["installer"] == "conda"}
    by_pip = {item["name"]: item for item in packages if item["installer"] == "pip"}
    for spec in specification.conda:
        name = package_name(spec)
        installed = by_conda.get(name)
        if not name:
            found["undecided"].append(spec)
        elif installed is None:
            found["missing"].append(spec)
        else:
            _sort(found, conda_fits(spec, installed), spec, installed)
    wanted = _requirements(specification)
    for line, name in wanted:
        installed = by_pip.get(name) or by_conda.get(name)
        if not name or (installed is None and ";" in line):
            found["undecided"].append(f"pip: {line}")
        elif installed is None:
            found["missing"].append(f"pip: {line}")
        else:
            fits = pip_fits(line, installed)
            # pip passes a line over whose marker does not apply: what is there may come from another one.
            _sort(found, None if fits is False and ";" in line else fits, f"pip: {line}", installed)
    asked = specification.names()
    named = {name for _line, name in wanted}
    for item in packages:
        if item["requested"] and item["name"] not in (asked if item["installer"] == "conda" else named) and "" not in named:
            found["extra"].append(_shown(item))
    return found


def _sort(found: dict[str, list[str]], fits: bool | None, line: str, installed: t.Mapping[str, t.Any]) -> None:
    if fits is None:
        found["undecided"].append(line)
    elif not fits:
        found["wrong"].append(f"{line}: found {_shown(installed)}")


def _shown(item: t.Mapping[str, t.Any]) -> str:
    return f"{item['installer']} package {item['name']} {item['version']} {item['build']} {item['channel']}"


def conda_fits(spec: str, installed: t.Mapping[str, t.Any]) -> bool | None:
    """Whether a package of that name is what a match specification asks for; None if that takes conda to tell."""
    parts = _SPEC.match(re.sub(r"\s#.*", "", spec).strip())
    if parts is None or parts["channel"] == "defaults":
        return None
    channel, version, build = parts["channel"], parts["version"], parts["build"]
    if channel is not None:
        place = without_credentials(_SUBDIR.sub("", channel)).rstrip("/")
        if installed["channel"] != place and not installed["channel"].endswith(f"/{place}"):
            return False
    if version in (None, "*"):
        fits: bool | None = True
    elif version.endswith("*"):
        fits = _same(version.rstrip(".*"), installed["version"], prefix=True)
    elif "*" in version:
        fits = None
    else:
        fits = _same(version, installed["version"], prefix=parts["sign"] == "=" and build is None)
    if build and fits is not False:
        fits = None if build.startswith("^") or fits is None else fnmatch.fnmatchcase(installed["build"], build)
    return fits


def pip_fits(line: str, installed: t.Mapping[str, t.Any]) -> bool | None:
    """The same for a requirement of pip."""
    parts = _REQUIREMENT.match(line)
    if parts is None or "://" in line:
        return None
    rest = re.split(r"\s--|\s#", parts["rest"], maxsplit=1)[0].strip().strip("()").strip()
    exact = _EXACT.match(rest)
    if not rest:
        return True
    return _same(exact["version"], installed["version"]) if exact else None


def _same(wanted: str, found: str, prefix: bool = False) -> bool | None:
    """Compare two versions; None where letters decide and the texts differ."""
    if wanted == found or (prefix and found.startswith(f"{wanted}.")):
        return True
    if not re.fullmatch(r"\d+(\.\d+)*", wanted) or not re.fullmatch(r"\d+(\.\d+)*", found):
        return None
    one, two = ([int(part) for part in text.split(".")] for text in (wanted, found))
    length = max(len(one), len(two))
    one, two = (part + [0] * (length - len(part)) for part in (one, two))
    return one == two


def _requirements(specification: Specification) -> list[tuple[str, str]]:
    """(line, name) of each requirement, also of the files named by `-r`; the name is empty where the line does not tell it."""
    found = []
    for _file, line in pip_lines(specification):
        egg = _EGG.search(line)
        if line.startswith("-") and not line.startswith(("-e", "--editable")):
            continue
        parts = _REQUIREMENT.match(line) if "://" not in line or re.match(r"[\w.-]+\s*(\[[^]]*\])?\s*@", line) else None
        found.append((line, normal(egg["name"] if egg else parts["name"] if parts else "")))
    return found
