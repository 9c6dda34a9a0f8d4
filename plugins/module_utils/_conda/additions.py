# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people added to an environment: which of it stays with `prune: false`, and what hides a package of conda.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from . import manifest
from .actual import Actual, Shadow
from .errors import CondaEnvError
from .lock import pip_lines
from .owner import owner_of
from .records import Package, normal, package_of, pip_packages, read_json, record_files, site_packages
from .requirements import logical_lines, nested_file
from .specification import Specification

_DISTRIBUTION = re.compile(r"(?:^|/)site-packages/([^/]+?)-[^/-]+(?:-py[0-9.]+)?\.(?:dist|egg)-info(?:/|$)")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:$|[\[<>=!~;@#,( ])")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_FILE = re.compile(r"(?:^|/)([A-Za-z0-9_.]+?)-\d[^/]*\.(?:whl|tar\.gz|zip)(?:$|[#?\s])")

_HASHES = re.compile(r"(?:^|\s)--(?:require-hashes|hash)\b")
_INDEX = (
    "-i",
    "-f",
    "--index-url",
    "--extra-index-url",
    "--no-index",
    "--find-links",
    "--trusted-host",
    "--pre",
    "--prefer-binary",
)


@dataclasses.dataclass(frozen=True)
class Additions:
    """Conda packages that somebody asked for, and requirement lines for what somebody installed with pip."""

    conda: tuple[Package, ...] = ()
    pip: tuple[str, ...] = ()


NO_ADDITIONS = Additions()


def additions(prefix: str, specification: Specification) -> Additions:
    """What somebody asked for in a prefix and the specification does not name. Dependencies come by themselves."""
    if os.path.lexists(prefix) and owner_of(prefix).uid != os.geteuid():
        raise CondaEnvError(
            f"'prune: false' would install what {owner_of(prefix).names()} asked for with other rights than theirs",
            "Name it in the specification, or set 'prune: true'. The environment has not been touched.",
        )
    places = site_packages(prefix)
    named = specification.names()
    conda, hidden = [], set()
    for record in _records(prefix):
        package = package_of(record)
        hidden |= {package.name, *_distributions(record)}
        # Older versions of conda write the text None.
        asked = [record.get("requested_spec"), *(record.get("requested_specs") or ())]
        if package.name not in named and any(spec not in (None, "", "None") for spec in asked):
            conda.append(package)
    known = hidden | pip_names(specification)
    return Additions(tuple(sorted(conda)), tuple(line for name, line in _requested(prefix, places) if name not in known))


def pip_names(specification: Specification) -> set[str]:
    """Names of the distributions that the pip section installs, as far as its lines tell."""
    patterns = (_REQUIREMENT, _EGG, _FILE)
    found = (
        next((match for match in (pattern.search(line) for pattern in patterns) if match), None)
        for _file, line in pip_lines(specification)
    )
    return {normal(match.group(1)) for match in found if match}


def index_options(specification: Specification) -> tuple[str, ...]:
    """Lines of the pip section that say where packages come from, and those of its files."""
    return tuple(line for line in _lines(specification) if line.startswith(_INDEX))


def limits(specification: Specification) -> tuple[str, ...]:
    """Lines of the pip section, and of its files, that name a file which limits versions.

    None where hashes are asked for: they would be asked of what people added, too, and nobody has written those down.
    """
    lines = _lines(specification)
    if any(_HASHES.search(line) for line in lines):
        return ()
    return tuple(line for line in lines if (nested_file(line) or ("",))[0] in ("-c", "--constraint"))


def _lines(specification: Specification) -> list[str]:
    return [*specification.pip, *(line for _name, text in specification.pip_files for line in logical_lines(text))]


def tolerated(actual: Actual) -> manifest.Manifest | None:
    """What was written down with what people added, or removed of what they had added; None if anything else has changed."""
    written = actual.manifest
    if written is None or actual.unreadable or actual.shadows:
        return None
    now = {*actual.conda, *actual.pip}
    then = {*written.conda, *written.pip}
    missing = {item.name for item in then - now}
    if now == then or not missing <= set(written.kept) or manifest.settings(written.prefix) != written.settings:
        return None
    added = {item.name for item in now - then}
    taken = manifest.take(written.prefix, written.digest, actual.conda, written.requirements)
    lines = [line for name, line in _requested(written.prefix, taken.site_packages) if name in added]
    kept = {*written.kept, *added} & {item.name for item in now}
    taken = dataclasses.replace(taken, known_damage=written.known_damage, finished_ns=written.finished_ns, made=written.made)
    return dataclasses.replace(taken, kept=tuple(sorted(kept)), requirements=(*written.requirements, *lines))


def shadows(prefix: str, pip: Sequence[Package]) -> tuple[Shadow, ...]:
    """Distributions of pip that stand where conda installed the same one."""
    hidden = {item.name: item for item in pip}
    found = []
    for record in _records(prefix) if pip else ():
        package = package_of(record)
        names = {normal(package.name), *_distributions(record)} & set(hidden)
        found += [Shadow(hidden[name], package) for name in sorted(names)]
    return tuple(found)


def _records(prefix: str) -> Iterator[dict[str, t.Any]]:
    for path in record_files(prefix):
        with contextlib.suppress(OSError, ValueError):
            with open(path, encoding="utf-8") as file:
                record = json.load(file)
            package_of(record)
            yield record


def _distributions(record: Mapping[str, t.Any]) -> set[str]:
    found = (_DISTRIBUTION.search(str(path)) for path in record.get("files") or ())
    return {normal(match.group(1)) for match in found if match}


def _requested(prefix: str, places: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, requirement) of what somebody installed with pip, and not as a dependency."""
    for place in places:
        folder = os.path.join(prefix, place)
        packages = {item.name: item for item in pip_packages(prefix, [place])}
        for name in sorted(os.listdir(folder)):
            info = os.path.join(folder, name)
            if not name.endswith(".dist-info") or not os.path.exists(os.path.join(info, "REQUESTED")):
                continue
            title, _dash, _version = name[: -len(".dist-info")].rpartition("-")
            package = packages.get(normal(title))
            if package is not None:
                yield package.name, _requirement(package, info)


def _requirement(package: Package, info: str) -> str:
    """How pip gets the same distribution again (PyPA "Recording the direct URL origin")."""
    origin = read_json(os.path.join(info, "direct_url.json"))
    try:
        url = str(origin["url"])
    except (KeyError, TypeError):
        return f"{package.name}=={package.version}"
    version = origin.get("vcs_info") or {}
    if version:
        return f"{package.name} @ {version.get('vcs', 'git')}+{url}@{version.get('commit_id', 'HEAD')}"
    if (origin.get("dir_info") or {}).get("editable"):
        return f"-e {url[len('file://') :] if url.startswith('file://') else url}"
    return f"{package.name} @ {url}"
