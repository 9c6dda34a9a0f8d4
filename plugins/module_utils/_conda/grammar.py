# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that conda or pip cannot read, or read without a part of them. Pure. Private to this collection.

pip says so when conda has built the whole environment; what is read without a part is never told.
"""

from __future__ import annotations

import re

from .._text.escapes import in_one_line
from .errors import Path, SpecificationError

# conda's specification of versions: one constraint, or a plain version, and a build behind it.
_VERSION = r"(?:\d+!)?[A-Za-z0-9_*+-]+(?:\.[A-Za-z0-9_*+-]+)*"
_CONSTRAINT = re.compile(rf"(?:(?:[=!<>~]=|[<>=])?{_VERSION}(?:=[^=]+)?|=|\^.*\$)")
_CONDA_NAME = re.compile(r"[A-Za-z0-9_.*+?-]+|\^.*\$")
_AROUND_SIGNS = re.compile(r"\s*([<>=!~,|]+)\s*")
_BRACKETS = re.compile(r"\[.*\]")
_BRACKETS_VERSION = re.compile(r"\bversion=(?P<quote>[\"']?)(?P<version>[^\"'\]]*)(?P=quote)")
_TURNED = re.compile(r"=([<>!~])(?!=)")
_LETTERS = re.compile(r"[A-Za-z][A-Za-z_-]*")
_TEXT = re.compile(r"[\w.-]+\.txt")
_CONDA_EXAMPLE = "'name', 'name=1.2', 'name>=1,<2' or 'channel::name=1.2'"

# PEP 508, and the older form in parentheses.
_SPECIFIER = r"(?:===\s*[^\s;,)]+|(?:==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9_.*+!-]+)"
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?"
    rf"(?:@\s*\S.*|\(?\s*(?:{_SPECIFIER}(?:\s*,\s*{_SPECIFIER})*\s*,?\s*)?\)?\s*(?:;.*)?)"
)
_HASH = re.compile(r"\s--hash[\s=]+(?P<hash>\S*)")
_GOOD_HASH = re.compile(r"sha(?:256|384|512):[0-9A-Fa-f]+")
# How pixi and cargo write what pip writes behind an `@`.
_QUERY = re.compile(r"(?P<address>git\+[^\s?#]+)\?(?:rev|branch|tag|ref)=(?P<revision>[^\s&#;]+)")
# The page of a repository, which pip would download for an archive.
_PAGE = re.compile(
    r"https?://\S+?\.git(?:@[^\s#]+)?|https?://(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org)(?:/[^/\s#?]+){2}/?"
)
# Options of a requirements file that take a value (pip's documentation, "Requirements File Format").
_WITH_VALUE = frozenset(
    """-i --index-url --pypi-url --extra-index-url -c --constraint -r --requirement -e --editable -f --find-links --no-binary
    --only-binary --trusted-host --use-feature --all-releases --only-final --hash -C --config-setting --config-settings
    --global-option --install-option""".split()  # noqa: SIM905 - a list of them would be 24 lines
)
_KNOWN = _WITH_VALUE | {"--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre"}
_SHORT = re.compile(r"-[icrefC]\S")


def check_match_spec(spec: str, path: Path = ()) -> None:
    """Refuse a conda dependency that conda cannot read, or of which it would drop a condition."""
    text = spec.split("#", 1)[0].strip().rsplit("::", 1)[-1]
    if "://" in text or text.startswith("/"):
        return
    brackets = _BRACKETS.search(text)
    plain = _BRACKETS.sub("", text)
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
    _check_words(plain, path)
    # conda's old 'channel:namespace:name'.
    joined = _AROUND_SIGNS.sub(r"\1", plain.rsplit(":", 1)[-1])
    name = re.split(r"[\s<>=!~]", joined, maxsplit=1)[0]
    if name and not _CONDA_NAME.fullmatch(name):
        raise _unreadable(spec, path, f"a package with the name '{name}'")
    _check_versions(spec, joined[len(name) :].lstrip().split(" ")[0], path)
    named = _BRACKETS_VERSION.search(brackets[0]) if brackets else None
    if named:
        _check_versions(spec, _AROUND_SIGNS.sub(r"\1", named["version"]), path, grouped=True)


def _check_words(spec: str, path: Path) -> None:
    """Refuse what conda takes for something else without a word: a part before a colon, packages in a row, a file."""
    front, colon, rest = spec.partition(":")
    if colon and rest and ":" not in rest:
        instead = f"{front}={rest}" if rest[0].isdigit() else f"{front}::{rest}"
        raise SpecificationError(
            f"found '{spec}', of which conda drops what stands before the colon", f"Did you mean '{instead}'?", path
        )
    words = spec.split()
    if len(words) > 1 and _LETTERS.fullmatch(words[1]):
        raise SpecificationError(
            f"found '{spec}', of which conda takes '{words[1]}' for the version of '{words[0]}'",
            "Make each package an item of its own; a version is written 'name=version'.",
            path,
        )
    if _TEXT.fullmatch(spec):
        raise SpecificationError(
            f"found the name of a file, '{spec}'; expected a package such as 'numpy=1.26'",
            f"'- pip:' in the dependencies takes '-r {spec}', if it is written for pip.",
            path,
        )


def _check_versions(spec: str, versions: str, path: Path, *, grouped: bool = False) -> None:
    """Whether each constraint is one; in brackets they may be grouped by parentheses."""
    for constraint in re.split(r"[,|]", versions) if versions else ():
        if not _CONSTRAINT.fullmatch(constraint.strip("()") if grouped else constraint):
            raise _unreadable(spec, path, f"the version '{constraint}'" if constraint else "a comma with nothing beside it")


def _unreadable(spec: str, path: Path, found: str) -> SpecificationError:
    turned = _TURNED.sub(r"\1=", spec)
    hint = f"Did you mean '{turned}'?" if turned != spec else f"Write it as {_CONDA_EXAMPLE}."
    return SpecificationError(f"found {found} in '{in_one_line(spec)}', which conda does not read as it is meant", hint, path)


def check_requirement(line: str, path: Path = ()) -> None:
    """Refuse a line for pip that pip cannot read, or of which it would drop a part."""
    text = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
    query = _QUERY.search(text)
    if query:
        instead = f"{query['address']}@{query['revision']}"
        raise SpecificationError(f"found '{query[0]}', which is not pip's notation; expected '{instead}'", "Correct it.", path)
    # pip itself fills in variables of the environment.
    if not text or "${" in text:
        return
    if text.startswith("-"):
        _check_options(text, path)
        return
    for digest in _HASH.finditer(text):
        if not _GOOD_HASH.fullmatch(digest["hash"]):
            raise SpecificationError(
                f"found the hash '{digest['hash']}'; expected 'sha256:' (or sha384, sha512) and digits",
                "Give the hash as 'pip hash' or the package index shows it.",
                path,
            )
    requirement = re.split(r"\s--?[A-Za-z]", text, maxsplit=1)[0].strip()
    for mistaken, what, instead in ((_PAGE, "the page of a repository", "git+"), (_TEXT, "the name of a file", "-r ")):
        if mistaken.fullmatch(requirement):
            raise SpecificationError(f"found '{requirement}', {what}", f"Did you mean '{instead}{requirement}'?", path)
    is_place = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|[./~\\$]", requirement) is not None or (
        "/" in requirement and "@" not in requirement
    )
    if is_place or _REQUIREMENT.fullmatch(requirement):
        return
    turned = _TURNED.sub(r"\1=", requirement)
    doubled = re.sub(r"^([\w.-]+(?:\[[^\]]*\])?)\s*=\s*([\w.]+)(?:=\S*)?$", r"\1==\2", requirement)
    doubled = re.sub(r"(==\s*[\w.]+)=\S+$", r"\1", doubled)
    better = next((text for text in (doubled, turned) if text != requirement and _REQUIREMENT.fullmatch(text)), "")
    raise SpecificationError(
        f"found '{in_one_line(requirement)}', which pip cannot read; expected a requirement such as 'requests==2.32.3'",
        f"Did you mean '{better}'?" if better else "Write it as 'name', 'name==1.2', 'name>=1,<2' or 'name @ URL'.",
        path,
    )


def _check_options(line: str, path: Path) -> None:
    """Refuse what pip reads past: it takes options from such a line, and nothing else."""
    import shlex  # noqa: PLC0415 - few specifications have such a line

    try:
        words = shlex.split(line)
    except ValueError as error:
        raise SpecificationError(f"found '{line}', which pip cannot read: {error}", "Close the quotes.", path) from None
    expected = False
    for word in words:
        if word.startswith("-") and word not in _WITH_VALUE and word.split("=")[0] not in _KNOWN and not _SHORT.match(word):
            return
        if not expected and not word.startswith("-"):
            raise SpecificationError(
                f"found '{word}' behind options in '{line}', which pip reads without it; expected a line for each",
                f"Make '{word}' an item of its own.",
                path,
            )
        expected = not expected and word in _WITH_VALUE
