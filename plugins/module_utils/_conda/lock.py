# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock: every package of a solved environment with its checksum, for one platform. Pure. Private to this collection.

    format: 1
    platform: linux-64
    conda_version: 24.7.1             # that solved
    solver: classic                   # of that conda
    specification: sha256:...         # of what was solved, see `digest_of`
    channels, specs, variables        # what was asked for, without credentials
    conda: [{name, version, build, build_number, channel, url, sha256, md5, size, noarch, depends, constrains}]
    pip_options: [--extra-index-url=...]
    pip: [{name, version, file, url, hashes}]

A package is named by its channel and its file: which server that is, a host decides by its own `channel_alias` and
`custom_channels`. The checksum makes sure that it is the same file everywhere; `url` says where the lock found it.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import re
import typing as t
from collections.abc import Mapping, Sequence

from .channels import place_of
from .errors import CondaEnvError, secrets
from .records import Package, package_of, without_credentials
from .requirements import logical_lines, nested_file
from .specification import Settings, Specification

FORMAT = 1
# Written to the digest of a generation: raise it when the way an environment is built from a lock changes.
_BUILD = 1
RENEW = "Renew it: ansible-playbook openlab.research_server.lock"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_URL = re.compile(r"[a-z]+://\S+/(?P<subdir>[a-z0-9-]+)/(?P<stem>[^/\s]+)\.(?:conda|tar\.bz2)")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9_.!+~-]+")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_MOST_NAMED = 4


@dataclasses.dataclass(frozen=True, order=True)
class CondaPackage:
    """A conda package. `channel` is the name that was declared, `url` where it was found."""

    name: str
    version: str
    build: str
    build_number: int
    channel: str
    url: str
    sha256: str
    md5: str = ""
    size: int = 0
    noarch: str = ""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    python_site_packages_path: str = ""
    """Of a Python: where packages for it belong, if not where its version says (CEP 17)."""

    def record(self, declared: Sequence[str], settings: Settings) -> dict[str, t.Any]:
        """Plain record with the URL that the package has for a host."""
        place = place_of(self.channel, self.url, declared, settings)
        subdir, file = self.url.rsplit("/", 2)[1:]
        return {**vars(self), "channel": place, "subdir": subdir, "fn": file, "url": f"{place}/{subdir}/{file}"}


@dataclasses.dataclass(frozen=True, order=True)
class PipPackage:
    """A file for pip. `url` only if the requirement was a URL itself; else the index has `file`."""

    name: str
    version: str
    file: str
    hashes: tuple[str, ...]
    url: str = ""

    def requirement(self) -> str:
        """As it stands in plans."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"

    def line(self) -> str:
        """As pip reads it."""
        return " ".join([self.requirement(), *(f"--hash={value}" for value in self.hashes)])


@dataclasses.dataclass(frozen=True)
class Lock:
    """A checked lock."""

    platform: str
    conda_version: str
    specification: str
    channels: tuple[str, ...]
    specs: tuple[str, ...]
    conda: tuple[CondaPackage, ...]
    variables: tuple[tuple[str, str], ...] = ()
    pip_options: tuple[str, ...] = ()
    pip: tuple[PipPackage, ...] = ()
    solver: str = ""

    def to_dict(self) -> dict[str, t.Any]:
        """Plain data in the order of the file; what is empty is left out."""
        return {
            "format": FORMAT,
            "platform": self.platform,
            "conda_version": self.conda_version,
            **({"solver": self.solver} if self.solver else {}),
            "specification": self.specification,
            "channels": list(self.channels),
            "specs": list(self.specs),
            **({"variables": dict(self.variables)} if self.variables else {}),
            "conda": [_without_empty(item, ("name", "version", "build", "build_number")) for item in sorted(self.conda)],
            **({"pip_options": list(self.pip_options)} if self.pip_options else {}),
            **({"pip": [_without_empty(item) for item in sorted(self.pip)]} if self.pip else {}),
        }

    def digest(self) -> str:
        """SHA-256 (hex) over what is installed; neither where a host gets it from nor which conda solved it counts."""
        content = dataclasses.replace(self, solver="").to_dict()
        del content["conda_version"], content["platform"], content["specification"]
        for item in content["conda"]:
            del item["url"]
        return hashlib.sha256(json.dumps([_BUILD, content], sort_keys=True).encode()).hexdigest()

    def other_solver(self, solver: str) -> tuple[str, ...]:
        """A note if another solver than that of the lock is at hand: two may choose differently where both are right."""
        if not self.solver or not solver or self.solver == solver:
            return ()
        return (f"the lock was solved by {self.solver}; conda's solver on this host is {solver}, and may choose other packages",)

    def asked(self, given: Specification | None) -> Specification:
        """The specification of an environment built from this lock; `given` lends the credentials that a lock does not have."""
        return Specification(
            channels=given.channels if given else self.channels,
            conda=self.specs,
            pip=tuple(item.requirement() for item in sorted(self.pip)),
            variables=self.variables,
            notes=given.notes if given else (),
        )

    def locked(self, given: Specification | None, settings: Settings) -> Locked:
        """The lock as a host with these settings builds from it."""
        return Locked(self, given, settings)


@dataclasses.dataclass(frozen=True)
class Locked:
    """What a host builds from. Worked out only when asked for: most runs find that nothing is to be built."""

    lock: Lock
    given: Specification | None
    settings: Settings

    @property
    def records(self) -> tuple[dict[str, t.Any], ...]:
        """For conda, with the URL that each package has for this host."""
        declared = self.given.channels if self.given else self.lock.channels
        return tuple(item.record(declared, self.settings) for item in self.lock.conda)

    @property
    def requirements(self) -> str:
        """A requirements file for pip."""
        options = pip_options(self.given) if self.given else self.lock.pip_options
        return "".join(f"{line}\n" for line in (*options, *(item.line() for item in self.lock.pip)))

    @property
    def packages(self) -> tuple[Package, ...]:
        """The conda packages as this host sees them."""
        return tuple(map(package_of, self.records))


def _without_empty(item: CondaPackage | PipPackage, kept: Sequence[str] = ()) -> dict[str, t.Any]:
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(item).items()}
    return {key: value for key, value in plain.items() if value or key in kept}


def pip_lines(specification: Specification) -> list[tuple[str, str]]:
    """(file, line) of every requirement and option of the pip section; the file is empty for the section itself.

    What `-c` names only limits versions, so it is left out.
    """
    texts = dict(specification.pip_files)
    found: list[tuple[str, str]] = []
    seen: set[str] = set()

    def walk(name: str, lines: Sequence[str]) -> None:
        for raw in lines:
            line = _COMMENT.sub("", raw.strip()).strip()
            nested = nested_file(line)
            if nested is None:
                found.extend([(name, line)] if line else [])
            elif nested[0] in ("-r", "--requirement") and nested[1] in texts and nested[1] not in seen:
                seen.add(nested[1])
                walk(nested[1], logical_lines(texts[nested[1]]))

    walk("", specification.pip)
    return found


def pip_options(specification: Specification) -> tuple[str, ...]:
    """Lines of the pip section that say where packages are and which are allowed."""
    return tuple(line for _file, line in pip_lines(specification) if line.startswith("-"))


def digest_of(specification: Specification, settings: Settings) -> str:
    """Digest of what a lock is solved from: `sha256:` and hex.

    Comments, order of keys, names of requirement files and credentials do not count, nor does where a host finds its channels.
    """
    texts = dict(specification.pip_files)
    order: list[str] = []

    def plain(line: str) -> str:
        line = _COMMENT.sub("", line.strip()).strip()
        nested = nested_file(line)
        if nested and nested[1] in texts:
            if nested[1] not in order:
                order.append(nested[1])
            return f"{nested[0]} {order.index(nested[1])}"
        return without_credentials(line)

    def lines(items: Sequence[str]) -> list[str]:
        return [line for line in map(plain, items) if line]

    pip = lines(specification.pip)
    files = []
    for name in order:  # grows while files name files
        files.append(lines(logical_lines(texts[name])))
    content = [
        [without_credentials(channel) for channel in specification.channels],
        sorted(without_credentials(spec) for spec in specification.conda),
        pip,
        files,
        sorted(specification.variables),
        settings.channel_priority,
    ]
    return "sha256:" + hashlib.sha256(json.dumps([FORMAT, content]).encode()).hexdigest()


def stale(lock: Lock, specification: Specification, settings: Settings) -> str:
    """Why a lock is not one of a specification; empty if it is."""
    if lock.specification == digest_of(specification, settings):
        return ""
    then: dict[str, t.Sequence[str]] = {
        "channels": lock.channels,
        "dependencies": lock.specs,
        "variables": [f"{name}={value}" for name, value in lock.variables],
    }
    now: dict[str, t.Sequence[str]] = {
        "channels": [without_credentials(channel) for channel in specification.channels],
        "dependencies": sorted(without_credentials(spec) for spec in specification.conda),
        "variables": [f"{name}={value}" for name, value in specification.variables],
    }
    changes = []
    for key, old in then.items():
        differing = [f"+{item}" for item in now[key] if item not in old] + [f"-{item}" for item in old if item not in now[key]]
        if differing:
            more = ["..."] if len(differing) > _MOST_NAMED else []
            changes.append(f"{key}: {', '.join([*differing[:_MOST_NAMED], *more])}")
        elif list(old) != list(now[key]):
            changes.append(f"{key}: another order")
    return "; ".join(changes) or "pip section or channel priority"


_KEYS: dict[str, type] = {
    "format": int,
    "platform": str,
    "conda_version": str,
    "solver": str,
    "specification": str,
    "channels": list,
    "specs": list,
    "variables": dict,
    "conda": list,
    "pip_options": list,
    "pip": list,
}
_OPTIONAL = ("solver", "variables", "pip_options", "pip")
_TYPES: dict[type, str] = {int: "a number", str: "text", list: "a list", dict: "a mapping"}


def parse_lock(content: t.Any) -> Lock:
    """Check a lock. Raises CondaEnvError that names the item."""
    if not isinstance(content, Mapping) or "format" not in content:
        raise CondaEnvError("is no lock of this collection: found no 'format'", RENEW)
    if content["format"] != FORMAT:
        raise CondaEnvError(
            f"is a lock of format {content['format']!r}; expected {FORMAT}", f"{RENEW}, or use the collection's newer version."
        )
    _check_keys(content, _KEYS, _OPTIONAL, "")
    for key in ("channels", "specs", "pip_options"):
        _check_texts(content.get(key, []), key)
    variables = content.get("variables", {})
    _check_texts([*variables, *variables.values()], "variables")
    if not _HASH.fullmatch(content["specification"]):
        raise CondaEnvError(f"specification: found '{content['specification']}'; expected 'sha256:' and 64 hex digits", RENEW)
    if secrets(json.dumps([content["channels"], content["specs"], content.get("pip_options")])):
        raise CondaEnvError("holds credentials", "Remove them: a lock is meant to be shared.")
    conda = tuple(_conda_package(item, f"conda[{index}]", content["platform"]) for index, item in enumerate(content["conda"]))
    pip = tuple(_pip_package(item, f"pip[{index}]") for index, item in enumerate(content.get("pip", [])))
    for items in (conda, pip):
        twice = sorted(name for name, count in collections.Counter(item.name for item in items).items() if count > 1)
        if twice:
            raise CondaEnvError(f"names more than once: {', '.join(twice)}", RENEW)
    if not conda:
        raise CondaEnvError("holds no conda package", RENEW)
    return Lock(
        platform=content["platform"],
        conda_version=content["conda_version"],
        specification=content["specification"],
        channels=tuple(content["channels"]),
        specs=tuple(content["specs"]),
        conda=tuple(sorted(conda)),
        variables=tuple(sorted(variables.items())),
        pip_options=tuple(content.get("pip_options", [])),
        pip=tuple(sorted(pip)),
        solver=content.get("solver", ""),
    )


def _check_keys(item: t.Any, keys: Mapping[str, t.Any], optional: Sequence[str], where: str) -> None:
    at = f"{where}: " if where else ""
    if not isinstance(item, Mapping):
        raise CondaEnvError(f"{at}found no mapping", RENEW)
    for key in item:
        if key not in keys:
            raise CondaEnvError(f"{at}unknown key '{key}'", f"Known keys: {', '.join(keys)}.")
    for key, kind in keys.items():
        if key not in item:
            if key in optional:
                continue
            raise CondaEnvError(f"{at}found no '{key}'", RENEW)
        if not isinstance(item[key], kind) or isinstance(item[key], bool):
            raise CondaEnvError(f"{at}{key}: found {item[key]!r}; expected {_TYPES[kind]}", RENEW)


def _check_texts(items: t.Iterable[t.Any], where: str) -> None:
    for item in items:
        if not isinstance(item, str) or not item or "\n" in item:
            raise CondaEnvError(f"{where}: found {item!r}; expected text of one line", RENEW)


_CONDA_KEYS: dict[str, type] = {
    "name": str,
    "version": str,
    "build": str,
    "build_number": int,
    "channel": str,
    "url": str,
    "sha256": str,
    "md5": str,
    "size": int,
    "noarch": str,
    "depends": list,
    "constrains": list,
    "python_site_packages_path": str,
}
_CONDA_OPTIONAL = ("md5", "size", "noarch", "depends", "constrains", "python_site_packages_path")


def _conda_package(item: t.Any, where: str, platform: str) -> CondaPackage:
    if isinstance(item, Mapping) and isinstance(item.get("name"), str):
        where = f"{where} ({item['name']})"
    _check_keys(item, _CONDA_KEYS, _CONDA_OPTIONAL, where)
    for key in ("name", "version", "build"):
        if not _PLAIN.fullmatch(item[key]):
            raise CondaEnvError(f"{where}: {key}: found '{item[key]}'; expected letters, digits and . _ ! + ~ -", RENEW)
    for key, pattern, digits in (("sha256", _SHA256, 64), ("md5", _MD5, 32)):
        if (key in item or key == "sha256") and not pattern.fullmatch(item[key]):
            raise CondaEnvError(f"{where}: {key}: found '{item[key]}'; expected {digits} hexadecimal digits", RENEW)
    url = _URL.fullmatch(item["url"])
    stem = "-".join(item[key] for key in ("name", "version", "build"))
    if not url or secrets(item["url"]) or url["stem"] != stem:
        raise CondaEnvError(f"{where}: url: found '{item['url']}'; expected the URL of {stem}.conda without credentials", RENEW)
    if url["subdir"] not in (platform, "noarch"):
        raise CondaEnvError(f"{where}: found a package for {url['subdir']} in a lock for {platform}", RENEW)
    if secrets(item["channel"]) or not item["channel"]:
        raise CondaEnvError(f"{where}: channel: found '{item['channel']}'; expected a name or URL without credentials", RENEW)
    for key in ("depends", "constrains"):
        _check_texts(item.get(key, []), f"{where}: {key}")
    return CondaPackage(**{**item, **{key: tuple(item.get(key, ())) for key in ("depends", "constrains")}})


_PIP_KEYS: dict[str, type] = {"name": str, "version": str, "file": str, "hashes": list, "url": str}


def _pip_package(item: t.Any, where: str) -> PipPackage:
    if isinstance(item, Mapping) and isinstance(item.get("name"), str):
        where = f"{where} ({item['name']})"
    _check_keys(item, _PIP_KEYS, ("url",), where)
    for key in ("name", "version"):
        if not _PLAIN.fullmatch(item[key]):
            raise CondaEnvError(f"{where}: {key}: found '{item[key]}'; expected letters, digits and . _ ! + ~ -", RENEW)
    url = item.get("url", "")
    if url and ("://" not in url or secrets(url) or len(url.split()) != 1):
        raise CondaEnvError(f"{where}: url: found '{url}'; expected a URL without credentials", RENEW)
    if not item["hashes"]:
        raise CondaEnvError(f"{where}: found no hash", RENEW)
    for value in item["hashes"]:
        if not isinstance(value, str) or not _HASH.fullmatch(value):
            raise CondaEnvError(f"{where}: hashes: found {value!r}; expected 'sha256:' and 64 hexadecimal digits", RENEW)
    return PipPackage(item["name"], item["version"], item["file"], tuple(item["hashes"]), url)
