# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment specification: what an environment.yml says, checked and normalised. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
from collections.abc import Mapping, Sequence

from .._text.escapes import in_one_line
from .._text.secrets import mask_urls
from . import slips
from .errors import AS_A_LIST, CondaEnvError, Path, SpecificationError, kind
from .records import without_credentials
from .requirements import logical_lines, nested_file

KEYS = ("name", "prefix", "channels", "dependencies", "variables")
# Written to the digest: raise it when the way an environment is built changes, and every environment is built again.
FORMAT = 1

_WHERE_INSTEAD = "Give an environment.yml: 'channels' and 'dependencies', as conda documents them"
# Keys that tell a lock file, by the tool that wrote it.
_LOCK_FILES = {
    "conda-lock": {"metadata", "package"},
    "pixi": {"environments", "packages"},
    "pipenv": {"_meta", "default"},
}
# Keys that other tools know, and what to do instead.
_FOREIGN_KEYS = {
    "pip": "Write '- pip:' as an item of 'dependencies'.",
    "package": "The file is a recipe: give an environment.yml.",
    "packages": "Write conda packages under 'dependencies'.",
    "category": "It is conda-lock's: give each category an environment file of its own.",
    "env_specs": "The file is a project of anaconda-project: give the environment.yml that it was made from.",
    "includes": "It is conda-devenv's: write what it renders.",
    "environment": "Write environment variables under 'variables'.",
}
# Of almost every line nothing more is to be asked: a name, and a plain version.
_NAME_ALONE, _NUMBER = r"[A-Za-z0-9][A-Za-z0-9_-]*", r"[0-9]+(?:\.[0-9]+)*"
PLAIN_SPEC = re.compile(rf"{_NAME_ALONE}(?:(?:==?|[<>]=?){_NUMBER}(?:\.\*)?)?")
PLAIN_REQUIREMENT = re.compile(rf"{_NAME_ALONE}(?:(?:[=~<>]=|[<>]){_NUMBER})?")
# Compiled where they are asked for: a run that finds nothing to do needs few of them.
# A package in a match spec, after its channel (a name or URL) and conda's old `channel:namespace:`.
_NAME = r"^(?:(?:[^\s\[]*::)|(?:[^\s\[:/]+:[^\s\[:/]*:))?(?P<name>[A-Za-z0-9_.\-*+]+)"
_ARCHIVE = r"(?P<name>[^/\\]+)-[^-/]+-[^-/]+\.(?:conda|tar\.bz2)(?:#[0-9A-Za-z:]+)?$"
# conda takes it; wrong indentation leaves it, and what was meant for pip becomes conda's.
EMPTY_PIP = "'pip:' is empty: what pip should install has to be indented below it"
# micromamba's selectors; managed hosts are Linux.
_SELECTOR = r"^sel\((?P<platform>[a-z]+)\)$"
_OURS, _OTHERS = ("linux", "unix"), ("win", "osx")
_ENVIRONMENT_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
_WINDOWS = r"^(?:file:/*)?[A-Za-z]:[\\/]|^\\\\"
_MODULE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
_CUDA = r"[1-9]\d?\.\d{1,2}"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
# What `conda activate` sets (conda/activate.py). It sets what the environment says after that.
_ACTIVATION = (
    "PATH",
    "CONDA_DEFAULT_ENV",
    "CONDA_EXE",
    "CONDA_PREFIX",
    "CONDA_PROMPT_MODIFIER",
    "CONDA_PYTHON_EXE",
    "CONDA_SHLVL",
)


# Of a module that reads a specification; documented in the fragment conda_channels.
CHANNEL_ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "channels": {"type": "list", "elements": "str", "default": []},
    "channel_alias": {"type": "str"},
    "custom_channels": {"type": "dict", "default": {}},
    "default_channels": {"type": "list", "elements": "str", "default": []},
    "channel_priority": {"type": "str", "choices": ["strict", "flexible", "disabled"], "default": "flexible"},
    "allowlist_channels": {"type": "list", "elements": "str", "default": []},
    "denylist_channels": {"type": "list", "elements": "str", "default": []},
    "exclude_newer": {"type": "str", "default": ""},
    "cuda": {"type": "str", "default": "auto"},
}
# They are part of a digest where they say something.
_SELDOM = ("allowlist_channels", "denylist_channels", "exclude_newer", "cuda")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What besides the specification decides which packages are chosen."""

    channel_alias: str = ""
    custom_channels: tuple[tuple[str, str], ...] = ()
    default_channels: tuple[str, ...] = ()
    channel_priority: str = "flexible"
    allowlist_channels: tuple[str, ...] = ()
    denylist_channels: tuple[str, ...] = ()
    exclude_newer: str = ""
    cuda: str = ""
    """CUDA that packages are chosen for, `none`, or nothing for what the host has."""

    @classmethod
    def of(cls, arguments: Mapping[str, t.Any]) -> Settings:
        """From the arguments of a task, see `CHANNEL_ARGUMENTS`."""
        return cls(
            channel_alias=(arguments["channel_alias"] or "").rstrip("/"),
            custom_channels=tuple(sorted(arguments["custom_channels"].items())),
            default_channels=tuple(arguments["default_channels"]),
            channel_priority=arguments["channel_priority"],
            allowlist_channels=tuple(arguments["allowlist_channels"]),
            denylist_channels=tuple(arguments["denylist_channels"]),
            exclude_newer=arguments["exclude_newer"].strip(),
            cuda=check_cuda(arguments["cuda"]),
        )


def check_cuda(stated: str) -> str:
    """What `Settings.cuda` is for an option. Raises CondaEnvError."""
    if stated in ("auto", "none") or re.fullmatch(_CUDA, stated):
        return "" if stated == "auto" else stated
    raise CondaEnvError(f"cuda: found '{stated}'; expected 'auto', 'none' or a version of CUDA such as '12.8'", "Quote it.")


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
        """SHA-256 (hex) over everything that decides the content of the environment.

        Notes, lines of comments and credentials do not count: a token is another one every day.
        """
        content = {
            "channels": [without_credentials(channel) for channel in self.channels],
            "conda": sorted(map(without_credentials, self.conda)),
            "pip": [without_credentials(line) for line in self.pip],
            "pip_files": [[name, _deciding(text)] for name, text in self.pip_files],
            "variables": self.variables,
        }
        chosen = {key: value for key, value in dataclasses.asdict(settings).items() if value or key not in _SELDOM}
        payload = json.dumps([FORMAT, content, chosen], sort_keys=True)
        return hashlib.sha256(payload.encode()).hexdigest()

    def check_files(self) -> None:
        """Every file named by -r or -c must have come along, or be a URL. Raises CondaEnvError."""
        texts = dict(self.pip_files)
        for line in [*self.pip, *(line for text in texts.values() for line in text.splitlines())]:
            nested = nested_file(line)
            if nested and nested[1] not in texts and "://" not in nested[1]:
                raise CondaEnvError(
                    f"the pip section names the file '{nested[1]}', which was not found on the controller",
                    "Put it beside the environment file, or write the requirements into the pip section.",
                )

    def names(self) -> frozenset[str]:
        """Names of the conda packages that are asked for."""
        return frozenset(filter(None, (package_name(spec) for spec in self.conda)))


def _deciding(text: str) -> str:
    """Of a file for pip, what decides what it installs."""
    lines = text.split("\n")
    return "\n".join(without_credentials(line) for line in lines if not line.lstrip().startswith("#"))


def package_name(spec: str) -> str:
    """Name in a match spec such as `conda-forge::numpy>=1.26,<2`, or of a package's URL; empty for a pattern."""
    spec = re.sub(r"\s#.*", "", spec).strip()
    found = re.search(_ARCHIVE, spec) or re.match(_NAME, spec)
    return found.group("name").lower() if found and "*" not in found.group("name") else ""


# What conda calls the environment that it is installed in.
BASE_NAMES = ("base", "root")


def check_name(name: str) -> None:
    """Refuse a name that is not one plain path component, or that conda keeps for itself."""
    if name in BASE_NAMES:
        raise CondaEnvError(
            f"'{name}' is the conda installation itself",
            "Give the environment another name: packages for people do not belong into the base environment.",
        )
    if not re.match(_ENVIRONMENT_NAME, name):
        raise CondaEnvError(
            f"found the name '{name}'; expected letters, digits and '.', '_', '+', '-', not starting with '.' or '-'"
        )


def check_modules(smoke: Sequence[str]) -> None:
    """Refuse what is not the name of a module."""
    for name in smoke:
        if not re.match(_MODULE, name):
            raise CondaEnvError(f"smoke: found '{name}'; expected the name of a Python module, such as 'numpy'")


def parse(definition: t.Any, pip_files: Mapping[str, str] | None = None, channels: Sequence[str] = ()) -> Specification:
    """Check a specification and bring it into its normal form.

    `channels` are used where the specification declares none. Raises SpecificationError.
    """
    _refuse_other_formats(definition)
    notes = tuple(note for key in definition if key not in KEYS for note in (_ignored(key),))
    notes += tuple(
        f"'{key}: {definition[key]}' in the specification is ignored: the task names the environment"
        for key in ("name", "prefix")
        if definition.get(key) is not None
    )
    conda, pip, remarks = _dependencies(definition.get("dependencies"))
    notes += remarks
    own = _channels(definition.get("channels"))
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


def _ignored(key: t.Any) -> str:
    """What is told of a key that conda ignores. One that is surely a mistake, by which something would be missing, is refused."""
    import difflib  # noqa: PLC0415 - only such a key needs it

    near = difflib.get_close_matches(str(key).lower(), KEYS, n=1)
    hint = _FOREIGN_KEYS.get(str(key)) or (f"Did you mean '{near[0]}'?" if near else "")
    if hint:
        raise SpecificationError(f"unknown key '{key}'", hint, (key,))
    return f"the key '{in_one_line(str(key))}' in the specification is ignored, as conda ignores it"


def _refuse_other_formats(definition: t.Any) -> None:
    if isinstance(definition, str) and "@EXPLICIT" in definition:
        raise SpecificationError("is an explicit list of packages (@EXPLICIT), not a specification", _WHERE_INSTEAD + ".")
    if not isinstance(definition, Mapping):
        found = "nothing" if definition is None else f"a {kind(definition)}"
        raise SpecificationError(f"found {found}; expected a mapping", _WHERE_INSTEAD + ".")
    for tool, keys in _LOCK_FILES.items():
        if keys <= set(map(str, definition)):
            raise SpecificationError(f"is a lock file of {tool}, not a specification", _WHERE_INSTEAD + ".")


def _dependencies(items: t.Any) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Conda's part, pip's part, and notes."""
    if items is None or items == []:
        raise SpecificationError(
            "has no dependencies", "List at least one package under 'dependencies:', for example 'python=3.11'."
        )
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise SpecificationError(f"found a {kind(items)}; expected a list", AS_A_LIST, ("dependencies",))
    conda: list[str] = []
    pip: list[str] = []
    notes: list[str] = []
    for index, item in enumerate(items):
        path: Path = ("dependencies", index)
        if isinstance(item, Mapping) and list(item) == ["pip"]:
            pip.extend(_requirements(item["pip"], (*path, "pip")))
            notes += [EMPTY_PIP] if item["pip"] is None else []
            continue
        spec = _selected(item, path) if isinstance(item, Mapping) else item
        if spec is None and isinstance(item, Mapping):
            notes.append(f"'{next(iter(item))}' in the specification is left out: managed hosts are Linux")
        elif isinstance(spec, str) and spec.strip():
            conda.append(" ".join(spec.split()))
            if not PLAIN_SPEC.fullmatch(spec):
                from . import match_spec  # noqa: PLC0415 - few lines need it

                notes.extend(match_spec.check(spec, path))
        else:
            raise SpecificationError(f"found {spec!r} ({kind(spec)}); expected a package such as 'numpy=1.26'", "Quote it.", path)
    if not conda and not pip:
        raise SpecificationError("has no dependencies", "List at least one package under 'dependencies:'.")
    return tuple(dict.fromkeys(conda)), tuple(pip), tuple(notes)


def _requirements(items: t.Any, path: Path) -> list[str]:
    """Check the list under `pip:`; one line each. Raises SpecificationError."""
    if items is None:
        return []
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise SpecificationError(f"found a {kind(items)}; expected a list of requirements", AS_A_LIST, path)
    lines: list[str] = []
    for index, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise SpecificationError(
                f"found {item!r} ({kind(item)}); expected a requirement such as 'requests==2.32.3'",
                "Quote it.",
                (*path, index),
            )
        # An item may be a piece of a requirements file: conda writes the items to one.
        for line in logical_lines(item):
            if not PLAIN_REQUIREMENT.fullmatch(line):
                from . import requirement  # noqa: PLC0415 - few lines need it

                requirement.check(line, (*path, index))
            lines.append(line)
    return lines


def _selected(item: Mapping[t.Any, t.Any], path: Path) -> t.Any:
    """What stands under a selector of this platform, None under one of another."""
    found = re.match(_SELECTOR, str(next(iter(item)))) if len(item) == 1 else None
    if found and found.group("platform") in _OURS:
        return next(iter(item.values())) or ""
    if found and found.group("platform") in _OTHERS:
        return None
    keys = ", ".join(f"'{key}'" for key in item)
    raise SpecificationError(
        f"found a mapping with {keys}; expected a package, or 'pip:' with a list of requirements",
        "Write a package as 'name=version'; a colon followed by a space makes it a mapping.",
        path,
    )


def _channels(items: t.Any) -> tuple[str, ...]:
    channels = _strings(items, "channels")
    for index, channel in enumerate(channels):
        slips.check(channel, ("channels", index))
        if "," in channel or " " in channel:
            raise SpecificationError(
                f"found '{mask_urls(channel)}'; expected one channel",
                "Make each channel an item of its own.",
                ("channels", index),
            )
        if re.match(_WINDOWS, channel):
            raise SpecificationError(
                f"found the Windows path '{channel}'; expected a channel that the managed host can reach",
                "Use a name, a URL, or 'file:///' with an absolute path on the managed host.",
                ("channels", index),
            )
        if channel.startswith((".", "~")) or (channel.startswith("file:") and not channel.startswith("file:///")):
            raise SpecificationError(
                f"found the local path '{channel}'; expected a channel that the managed host can reach",
                "Use a name, a URL, or 'file:///' with an absolute path on the managed host.",
                ("channels", index),
            )
    return channels


def _strings(items: t.Any, key: str) -> tuple[str, ...]:
    if items is None:
        return ()
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise SpecificationError(f"found a {kind(items)}; expected a list of {key}", AS_A_LIST, (key,))
    for index, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise SpecificationError(f"found {item!r} ({kind(item)}); expected a string", "Quote it.", (key, index))
    return tuple(item.strip() for item in items)


def _variables(items: t.Any) -> tuple[tuple[str, str], ...]:
    if items is None:
        return ()
    if not isinstance(items, Mapping):
        raise SpecificationError(
            f"found a {kind(items)}; expected a mapping of names to values",
            "Write each as 'NAME: value', without a dash.",
            ("variables",),
        )
    for name, value in items.items():
        path: Path = ("variables", name)
        if not isinstance(name, str) or not re.match(_VARIABLE, name):
            raise SpecificationError(f"found the variable name {name!r}; expected letters, digits and '_'", path=path)
        if name in _ACTIVATION:
            raise SpecificationError(
                f"found the variable {name}, which 'conda activate' sets itself: whoever activates would have this value instead",
                "Leave it out; what belongs on PATH goes into a file of 'etc/conda/activate.d'.",
                path,
            )
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise SpecificationError(f"found {value!r} ({kind(value)}); expected text", "Quote it.", path)
        if "'" in str(value) or "\0" in str(value):
            # conda writes the value between such signs, and the rest of it becomes commands of everybody who activates.
            raise SpecificationError(
                f"found {value!r}; expected a value without the sign \"'\", which conda does not escape: 'conda activate' "
                "fails, or runs what follows",
                "Leave the sign out, or set the variable in a file of 'etc/conda/activate.d'.",
                path,
            )
    return tuple(sorted((name, str(value)) for name, value in items.items()))
