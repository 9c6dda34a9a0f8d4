# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One dependency for conda: what conda cannot read, reads without a part, or takes for something else. Pure.

Private to this collection.
"""

from __future__ import annotations

import re

from .._text.escapes import in_one_line
from . import slips
from .errors import Path, SpecificationError

# What a person wrote for pip, or for a program that fills in templates, and conda would take for something else.
_PIP_SYNTAX = r"^-|^[a-z]+\+[a-z]+://|\s@\s|;\s*\w+\s*(?:[<>=!~]=?|in\b)"
_EXTRAS = r"^[^\[=]*\[\s*[A-Za-z0-9_.,\s-]*\]"
_TEMPLATE = r"\{\{|\{%|\$\{|\$[A-Za-z_]"
# conda's specification of versions: one constraint, or a plain version, and a build behind it.
_VERSION = r"(?:\d+!)?[A-Za-z0-9_*+-]+(?:\.[A-Za-z0-9_*+-]+)*"
_CONSTRAINT = rf"(?:(?:[=!<>~]=|[<>=])?{_VERSION}(?:=[^=]+)?|=|\^.*\$)"
_CONDA_NAME = r"[A-Za-z0-9_.*+?-]+|\^.*\$"
_AROUND_SIGNS = r"\s*([<>=!~,|]+)\s*"
_BRACKETS = r"\[.*\]"
# Without quotes, a value ends where the next key begins.
_BRACKETS_VERSION = r"\bversion=(?P<quote>[\"']?)(?P<version>[^\"'\]]*?)(?P=quote)(?=[, ]*\]|[, ]+[\w-]+=)"
_LETTERS = r"[A-Za-z][A-Za-z_-]*"
_CONDA_EXAMPLE = "'name', 'name=1.2', 'name>=1,<2' or 'channel::name=1.2'"


def check(spec: str, path: Path = ()) -> tuple[str, ...]:
    """Refuse what conda would silently take for something else; notes about what it ignores. Raises SpecificationError."""
    slips.check(spec, path, ascii_only="://" not in spec and not spec.startswith("/"))
    spec = " ".join(spec.split())
    if spec.startswith("@EXPLICIT"):
        raise SpecificationError("is an explicit list of packages (@EXPLICIT)", "Give an environment.yml.", path)
    if re.search(_TEMPLATE, spec):
        raise SpecificationError(
            f"found the template '{spec}'; expected a package such as 'numpy=1.26'",
            "Fill it in before: conda and this module take the text as it is. 'definition' may hold Ansible's templates.",
            path,
        )
    if re.search(_PIP_SYNTAX, re.sub(r"\[.*\]", "", spec)):
        raise SpecificationError(
            f"found '{spec}', which is written for pip; expected a package such as 'numpy=1.26'",
            "Put it under '- pip:' in the dependencies.",
            path,
        )
    if spec.endswith((".conda", ".tar.bz2")) and "://" not in spec and not spec.startswith("/"):
        raise SpecificationError(
            f"found the local path '{spec}'; expected a package that exists for the managed host",
            "Use an absolute path on the managed host, a URL, or a channel.",
            path,
        )
    _check_grammar(spec, path)
    if re.search(_EXTRAS, spec):
        return (f"conda has no extras and ignores the brackets in '{spec}'",)
    return ()


def _check_grammar(spec: str, path: Path) -> None:
    """Refuse a conda dependency that conda cannot read, or of which it would drop a condition."""
    text = spec.split("#", 1)[0].strip().rsplit("::", 1)[-1]
    if "://" in text or text.startswith("/"):
        return
    brackets = re.search(_BRACKETS, text)
    plain = re.sub(_BRACKETS, "", text)
    if "[" in plain or "]" in plain:
        raise SpecificationError(f"found a bracket without its other half in '{spec}'", f"Write it as {_CONDA_EXAMPLE}.", path)
    if "(" in plain:
        raise SpecificationError(
            f"found '{spec}', of which conda drops what stands in parentheses; expected none",
            f"Write '{' '.join(plain.replace('(', ' ').replace(')', ' ').split())}', or put a pattern into brackets: "
            "name[version='2.*', build='^(a|b)_.*$'].",
            path,
        )
    if " if " in plain:
        raise SpecificationError(
            f"found '{spec}', of which conda drops the condition; expected a package without one",
            "Leave the condition out, or give each kind of host an environment file of its own.",
            path,
        )
    _check_parts(plain, path)
    # conda's old 'channel:namespace:name'.
    joined = re.sub(_AROUND_SIGNS, r"\1", plain.rsplit(":", 1)[-1])
    name = re.split(r"[\s<>=!~]", joined, maxsplit=1)[0]
    if name and not re.fullmatch(_CONDA_NAME, name):
        raise _unreadable(spec, path, f"a package with the name '{name}'")
    _check_versions(spec, joined[len(name) :].lstrip().split(" ")[0], path)
    named = re.search(_BRACKETS_VERSION, brackets[0]) if brackets else None
    if named:
        _check_versions(spec, re.sub(_AROUND_SIGNS, r"\1", named["version"]), path, grouped=True)


def _check_parts(spec: str, path: Path) -> None:
    """Refuse what conda takes for something else without a word: a part before a colon, packages in a row, a file."""
    front, colon, rest = spec.partition(":")
    if colon and rest and ":" not in rest:
        instead = f"{front}={rest}" if rest[0].isdigit() else f"{front}::{rest}"
        raise SpecificationError(
            f"found '{spec}', of which conda drops what stands before the colon", f"Did you mean '{instead}'?", path
        )
    words = spec.split()
    if len(words) > 1 and re.fullmatch(_LETTERS, words[1]):
        raise SpecificationError(
            f"found '{spec}', of which conda takes '{words[1]}' for the version of '{words[0]}'",
            "Make each package an item of its own; a version is written 'name=version'.",
            path,
        )
    if re.fullmatch(slips.FILE, spec):
        raise SpecificationError(
            f"found the name of a file, '{spec}'; expected a package such as 'numpy=1.26'",
            f"'- pip:' in the dependencies takes '-r {spec}', if it is written for pip.",
            path,
        )


def _check_versions(spec: str, versions: str, path: Path, *, grouped: bool = False) -> None:
    """Whether each constraint is one; in brackets they may be grouped by parentheses."""
    for constraint in re.split(r"[,|]", versions) if versions else ():
        if not re.fullmatch(_CONSTRAINT, constraint.strip("()") if grouped else constraint):
            raise _unreadable(spec, path, f"the version '{constraint}'" if constraint else "a comma with nothing beside it")


def _unreadable(spec: str, path: Path, found: str) -> SpecificationError:
    turned = slips.turned(spec)
    hint = f"Did you mean '{turned}'?" if turned != spec else f"Write it as {_CONDA_EXAMPLE}."
    return SpecificationError(f"found {found} in '{in_one_line(spec)}', which conda does not read as it is meant", hint, path)
