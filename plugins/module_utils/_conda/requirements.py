# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a pip section: what they name, and whether a managed host has it. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Sequence

from . import grammar, slips
from .errors import AS_A_LIST, Path, SpecificationError, kind

_FILE_OPTION = re.compile(r"^(?P<flag>-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(?P<file>.+)$")
# Options whose value pip takes for a place.
_PLACE_OPTION = re.compile(r"^(?:-[efi]\s*|(?:--editable|--find-links|--index-url|--extra-index-url)(?:\s+|=))(?P<target>.+)$")
_DIRECT = re.compile(r"^[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\]\s*)?@\s*(?P<target>.+)$")
# Where packages are built: "pip freeze" writes such a place for whatever conda has installed.
_BUILD_MACHINE = re.compile(
    r"^file:/*(?:.*/)?(?:croot|feedstock_root|conda-bld|build_artifacts|bld|ci_mix|ci_py\d+|ci_\d+|volumes/live)/"
    r"|^file:/*(?:tmp/build|private/var|Users|[A-Za-z]:)/"
)
# git's own notation, which is no URL.
_SCP = re.compile(r"git\+(?:ssh://)?(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?!\d+/)(?P<path>[^\s/]\S*)")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_CONTINUED = re.compile(r"\s*\\\n\s*")
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


# What pip takes behind a requirement, and what not even on a line of its own (its documentation, "Requirements File Format").
_BEHIND = ("--hash", "--config-settings", "--config-setting", "--global-option", "--install-option")
_NOWHERE = re.compile(
    r"^(?:-U|-I|--upgrade|--upgrade-strategy|--no-deps|--no-build-isolation|--user|--force-reinstall|--ignore-installed|--no-cache-dir"
    r"|--break-system-packages|--target|--group|--prefix|--root|--dry-run|--no-compile|--quiet|-q|--verbose|-v)(?=[\s=]|$)"
)


def requirements(items: t.Any, path: Path) -> list[str]:
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
            check_local(line, (*path, index))
            lines.append(line)
    return lines


def logical_lines(text: str) -> list[str]:
    """Lines as pip reads them: a backslash at the end continues a line."""
    return [line.strip() for line in _CONTINUED.sub(" ", text.replace("\r\n", "\n")).split("\n") if line.strip()]


def nested_file(line: str) -> tuple[str, str] | None:
    """(flag, file) of a requirement line such as `-r extra.txt`; None for any other line."""
    found = _FILE_OPTION.match(line.strip())
    return (found.group("flag"), _unquote(found.group("file"))) if found else None


def check_local(line: str, path: Path = ()) -> None:
    """Refuse what pip would misunderstand or not find. Raises SpecificationError."""
    if line.startswith("#"):
        return
    slips.check(line, path)
    _check_options(line, path)
    found = _SCP.search(line)
    if found:
        instead = f"git+ssh://{found['user']}@{found['host']}/{found['path']}"
        raise SpecificationError(f"found '{found[0]}', which is no URL; expected '{instead}'", "Correct the address.", path)
    nested = nested_file(line)
    if nested is None:
        _check_place(line, path)
        grammar.check_requirement(line, path)
    elif nested[1].startswith("file:"):
        raise SpecificationError(
            f"found '{line}'; expected a path as seen from the file that names it, or a URL with http or https",
            f"Write '{nested[0]} {nested[1].removeprefix('file:').removeprefix('//')}'.",
            path,
        )


def _check_options(line: str, path: Path) -> None:
    """Refuse options that pip knows on its command line only: it would say so after conda has built the whole environment."""
    plain = re.split(r"\s#", line, maxsplit=1)[0]
    own = _NOWHERE.match(plain)
    behind = [word for word in re.findall(r"\s(--?[A-Za-z][\w-]*)", plain) if not word.startswith(_BEHIND)]
    if own or (behind and not plain.startswith("-")):
        option = own[0] if own else behind[0]
        raise SpecificationError(
            f"found '{option}' in '{plain.strip()}', which pip does not take there; expected a requirement alone, or with "
            f"{', '.join(_BEHIND[:2])} or {_BEHIND[3]}",
            "Leave it out; options such as '--index-url' stand on a line of their own, and what a build needs conda can bring.",
            path,
        )


def _check_place(line: str, path: Path) -> None:
    """Refuse what only exists on the controller, or on another machine still."""
    option = _PLACE_OPTION.match(line)
    if line.startswith("-") and not option:
        return
    # pip takes an option's value and what follows `@` for a place, and anything else only if it looks like one.
    named = option or _DIRECT.match(line)
    target = _unquote(named.group("target") if named else line)
    target = re.split(r"\s+(?:;|--)|;\s", target, maxsplit=1)[0].strip()
    if _BUILD_MACHINE.match(target):
        raise SpecificationError(
            f"found '{target}', a place on the machine on which the package was built; expected a version",
            "'pip freeze' writes that: take 'name==version' from 'pip list --format=freeze', or leave the package to conda.",
            path,
        )
    if target.startswith("file:"):
        relative = not target.startswith(("file:///", "file://localhost/"))
    elif "://" in target or target.startswith(("/", "$")):
        relative = False
    elif named:
        relative = True
    else:
        relative = _is_path(target)
    if relative:
        raise SpecificationError(
            f"found the local path '{target}'; expected a requirement that exists on the managed host",
            "Use an absolute path on the managed host, a URL, or a package index.",
            path,
        )


def _is_path(target: str) -> bool:
    plain = re.sub(r"\[[^]]*\]$", "", target.split(" ", 1)[0])
    if plain.startswith(("./", "../", "~/")) or plain in (".", "..") or _WINDOWS.match(target):
        return True
    return plain.endswith(_ARCHIVES) or re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+/?", plain) is not None


def _unquote(text: str) -> str:
    text = re.split(r"\s+#", text, maxsplit=1)[0].strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
