# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment specification: what an environment.yml says, checked and normalised. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
import typing as t
from collections.abc import Mapping, Sequence

from ._conda_errors import CondaEnvError

Path = tuple[t.Union[str, int], ...]

KEYS = ("name", "prefix", "channels", "dependencies", "variables")
# Written to the digest: raise it when the way an environment is built changes, and every environment is built again.
FORMAT = 1

_WHERE_INSTEAD = "Give an environment.yml: 'channels' and 'dependencies', as conda documents them"
_NAME = re.compile(r"^(?:[^\s\[]*::)?(?P<name>[A-Za-z0-9_.\-*]+)")
_ENVIRONMENT_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")
_FILE_OPTION = re.compile(r"^(?P<flag>-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(?P<file>.+)$")
_EDITABLE = re.compile(r"^(?:-e|--editable)(?:\s+|=)(?P<target>.+)$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class SpecificationError(CondaEnvError):
    """A specification that cannot be used; `path` leads to the item, so that the reader of a file can name its line."""

    def __init__(self, cause: str, way_out: str = "", path: Path = ()) -> None:
        super().__init__(cause, way_out)
        self.path = path


@dataclasses.dataclass(frozen=True)
class Settings:
    """What besides the specification decides which packages are chosen."""

    channel_alias: str = ""
    custom_channels: tuple[tuple[str, str], ...] = ()
    default_channels: tuple[str, ...] = ()
    channel_priority: str = "flexible"


@dataclasses.dataclass(frozen=True)
class Specification:
    """A checked specification. `pip` holds requirement lines, `pip_files` the text of the files they name by -r and -c."""

    channels: tuple[str, ...]
    conda: tuple[str, ...]
    pip: tuple[str, ...] = ()
    pip_files: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def digest(self, settings: Settings) -> str:
        """SHA-256 (hex) over everything that decides the content of the environment; notes and comments do not count."""
        content = dataclasses.asdict(self)
        del content["notes"]
        content["conda"] = sorted(content["conda"])
        payload = json.dumps([FORMAT, content, dataclasses.asdict(settings)], sort_keys=True)
        return hashlib.sha256(payload.encode()).hexdigest()

    def names(self) -> frozenset[str]:
        """Names of the conda packages that are asked for."""
        return frozenset(filter(None, (package_name(spec) for spec in self.conda)))


def package_name(spec: str) -> str:
    """Name in a match spec such as `conda-forge::numpy>=1.26,<2`; empty for a URL or a pattern."""
    if "://" in spec:
        return ""
    found = _NAME.match(spec.strip())
    return found.group("name").lower() if found and "*" not in found.group("name") else ""


def check_name(name: str) -> None:
    """Refuse a name that is not one plain path component, or that conda keeps for itself."""
    if name in ("base", "root"):
        raise CondaEnvError(
            f"'{name}' is the conda installation itself",
            "Give the environment another name: packages for people do not belong into the base environment.",
        )
    if not _ENVIRONMENT_NAME.match(name):
        raise CondaEnvError(
            f"found the name '{name}'; expected letters, digits and '.', '_', '+', '-', not starting with '.' or '-'"
        )


def nested_file(line: str) -> tuple[str, str] | None:
    """(flag, file) of a requirement line such as `-r extra.txt`; None for any other line."""
    found = _FILE_OPTION.match(line.strip())
    return (found.group("flag"), _unquote(found.group("file"))) if found else None


def _unquote(text: str) -> str:
    text = re.split(r"\s+#", text, maxsplit=1)[0].strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def parse(definition: t.Any, pip_files: Mapping[str, str] | None = None, channels: Sequence[str] = ()) -> Specification:
    """Check a specification and bring it into its normal form.

    `channels` are used where the specification declares none. Raises SpecificationError.
    """
    _refuse_other_formats(definition)
    for key in definition:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(KEYS)}."
            raise SpecificationError(f"unknown key '{key}'", hint, (key,))
    notes = tuple(
        f"'{key}: {definition[key]}' in the specification is ignored: the task names the environment"
        for key in ("name", "prefix")
        if definition.get(key) is not None
    )
    conda, pip = _dependencies(definition.get("dependencies"))
    own = _strings(definition.get("channels"), "channels")
    declared = tuple(dict.fromkeys(channel for channel in own or tuple(channels) if channel != "nodefaults"))
    if not declared:
        raise SpecificationError(
            "declares no channel",
            "Add 'channels:' with the channels it may use, for example 'conda-forge'; nothing is taken from any .condarc.",
            ("channels",) if "channels" in definition else (),
        )
    if pip and "pip" not in {package_name(spec) for spec in conda}:
        conda = (*conda, "pip")
        notes = (*notes, "'pip' is added to the dependencies because the specification has a pip section")
    return Specification(
        channels=declared,
        conda=conda,
        pip=pip,
        pip_files=tuple(sorted((pip_files or {}).items())),
        variables=_variables(definition.get("variables")),
        notes=notes,
    )


def _refuse_other_formats(definition: t.Any) -> None:
    if isinstance(definition, str) and "@EXPLICIT" in definition:
        raise SpecificationError("is an explicit list of packages (@EXPLICIT), not a specification", _WHERE_INSTEAD + ".")
    if not isinstance(definition, Mapping):
        found = "nothing" if definition is None else f"a {_kind(definition)}"
        raise SpecificationError(f"found {found}; expected a mapping", _WHERE_INSTEAD + ".")
    if "package" in definition or ("metadata" in definition and "version" in definition):
        raise SpecificationError("is a lock file of conda-lock, not a specification", _WHERE_INSTEAD + ".")
    if "environments" in definition and "packages" in definition:
        raise SpecificationError("is a lock file of pixi, not a specification", _WHERE_INSTEAD + ".")


def _dependencies(items: t.Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if items is None or items == []:
        raise SpecificationError(
            "has no dependencies", "List at least one package under 'dependencies:', for example 'python=3.11'."
        )
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise SpecificationError(f"found a {_kind(items)}; expected a list", path=("dependencies",))
    conda: list[str] = []
    pip: list[str] = []
    for index, item in enumerate(items):
        path: Path = ("dependencies", index)
        if isinstance(item, str) and item.strip():
            if item.strip().startswith("@EXPLICIT"):
                raise SpecificationError("is an explicit list of packages (@EXPLICIT)", _WHERE_INSTEAD + ".", path)
            conda.append(" ".join(item.split()))
        elif isinstance(item, Mapping) and list(item) == ["pip"]:
            pip.extend(_requirements(item["pip"], (*path, "pip")))
        elif isinstance(item, Mapping):
            keys = ", ".join(f"'{key}'" for key in item)
            raise SpecificationError(
                f"found a mapping with {keys}; expected a package, or 'pip:' with a list of requirements",
                "Write a package as 'name=version'; a colon followed by a space makes it a mapping.",
                path,
            )
        else:
            raise SpecificationError(
                f"found {item!r} ({_kind(item)}); expected a package such as 'numpy=1.26'", "Quote it.", path
            )
    if not conda and not pip:
        raise SpecificationError("has no dependencies", "List at least one package under 'dependencies:'.")
    return tuple(dict.fromkeys(conda)), tuple(pip)


def _requirements(items: t.Any, path: Path) -> list[str]:
    if items is None:
        return []
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise SpecificationError(f"found a {_kind(items)}; expected a list of requirements", path=path)
    lines = []
    for index, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise SpecificationError(
                f"found {item!r} ({_kind(item)}); expected a requirement such as 'requests==2.32.3'",
                "Quote it.",
                (*path, index),
            )
        line = item.strip()
        if "\n" in line:
            raise SpecificationError("found several lines; expected one requirement", path=(*path, index))
        check_local(line, (*path, index))
        lines.append(line)
    return lines


def check_local(line: str, path: Path = ()) -> None:
    """Refuse what only exists on the controller: a relative path means nothing on a managed host."""
    editable = _EDITABLE.match(line)
    target = _unquote(editable.group("target") if editable else line)
    if target.startswith("file:") and not target.startswith(("file:///", "file://localhost/")):
        relative = True
    else:
        relative = target.startswith(("./", "../", "~")) or target in (".", "..")
        relative = relative or (editable is not None and "://" not in target and not target.startswith("/"))
    if relative:
        raise SpecificationError(
            f"found the local path '{target}'; expected a requirement that exists on the managed host",
            "Use an absolute path on the managed host, a URL, or a package index.",
            path,
        )


def _strings(items: t.Any, key: str) -> tuple[str, ...]:
    if items is None:
        return ()
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise SpecificationError(f"found a {_kind(items)}; expected a list of {key}", path=(key,))
    for index, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise SpecificationError(f"found {item!r} ({_kind(item)}); expected a string", "Quote it.", (key, index))
    return tuple(item.strip() for item in items)


def _variables(items: t.Any) -> tuple[tuple[str, str], ...]:
    if items is None:
        return ()
    if not isinstance(items, Mapping):
        raise SpecificationError(f"found a {_kind(items)}; expected a mapping of names to values", path=("variables",))
    for name, value in items.items():
        path: Path = ("variables", name)
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise SpecificationError(f"found the variable name {name!r}; expected letters, digits and '_'", path=path)
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise SpecificationError(f"found {value!r} ({_kind(value)}); expected text", "Quote it.", path)
    return tuple(sorted((name, str(value)) for name, value in items.items()))


def _kind(value: t.Any) -> str:
    if value is None:
        return "nothing"
    for kind, noun in ((bool, "truth value"), (str, "text"), ((int, float), "number"), (Mapping, "mapping"), (Sequence, "list")):
        if isinstance(value, kind):
            return noun
    return type(value).__name__
