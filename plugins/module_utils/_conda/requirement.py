# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of a pip section: what pip cannot read, reads without a part, or would look for where it is not. Pure.

pip says so when conda has built the whole environment; what is read without a part is never told. Private to this collection.
"""

from __future__ import annotations

import re

from .._text.escapes import in_one_line
from . import slips
from .errors import Path, SpecificationError
from .requirements import nested_file, unquote

# Options whose value pip takes for a place.
_PLACE_OPTION = r"^(?:-[efi]\s*|(?:--editable|--find-links|--index-url|--extra-index-url)(?:\s+|=))(?P<target>.+)$"
_DIRECT = r"^[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\]\s*)?@\s*(?P<target>.+)$"
# Where packages are built: "pip freeze" writes such a place for whatever conda has installed.
_BUILD_MACHINE = (
    r"^file:/*(?:.*/)?(?:croot|feedstock_root|conda-bld|build_artifacts|bld|ci_mix|ci_py\d+|ci_\d+|volumes/live)/"
    r"|^file:/*(?:tmp/build|private/var|Users|[A-Za-z]:)/"
)
# git's own notation, which is no URL.
_SCP = r"git\+(?:ssh://)?(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?!\d+/)(?P<path>[^\s/]\S*)"
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# What pip takes behind a requirement, and what not even on a line of its own (its documentation, "Requirements File Format").
_BEHIND = ("--hash", "--config-settings", "--config-setting", "--global-option", "--install-option")
_NOWHERE = (
    r"^(?:-U|-I|--upgrade|--upgrade-strategy|--no-deps|--no-build-isolation|--user|--force-reinstall|--ignore-installed|--no-cache-dir"
    r"|--break-system-packages|--target|--group|--prefix|--root|--dry-run|--no-compile|--quiet|-q|--verbose|-v)(?=[\s=]|$)"
)
# PEP 508, and the older form in parentheses.
_SPECIFIER = r"(?:===\s*[^\s;,)]+|(?:==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9_.*+!-]+)"
_REQUIREMENT = (
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?"
    rf"(?:@\s*\S.*|\(?\s*(?:{_SPECIFIER}(?:\s*,\s*{_SPECIFIER})*\s*,?\s*)?\)?\s*(?:;.*)?)"
)
_HASH = r"\s--hash[\s=]+(?P<hash>\S*)"
_GOOD_HASH = r"sha(?:256|384|512):[0-9A-Fa-f]+"
# How pixi and cargo write what pip writes behind an `@`.
_QUERY = r"(?P<address>git\+[^\s?#]+)\?(?:rev|branch|tag|ref)=(?P<revision>[^\s&#;]+)"
# The page of a repository, which pip would download for an archive.
_PAGE = r"https?://\S+?\.git(?:@[^\s#]+)?|https?://(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org)(?:/[^/\s#?]+){2}/?"
_WINDOWS = r"[A-Za-z]:[\\/]|\\\\"
# Options of a requirements file that take a value (pip's documentation, "Requirements File Format").
_WITH_VALUE = frozenset(
    """-i --index-url --pypi-url --extra-index-url -c --constraint -r --requirement -e --editable -f --find-links --no-binary
    --only-binary --trusted-host --use-feature --all-releases --only-final --hash -C --config-setting --config-settings
    --global-option --install-option""".split()  # noqa: SIM905 - a list of them would be 24 lines
)
_KNOWN = _WITH_VALUE | {"--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre"}
_SHORT = r"-[icrefC]\S"


def check(line: str, path: Path = ()) -> None:
    """Refuse what pip would misunderstand or not find. Raises SpecificationError."""
    if line.startswith("#"):
        return
    slips.check(line, path)
    _check_options(line, path)
    found = re.search(_SCP, line)
    if found:
        instead = f"git+ssh://{found['user']}@{found['host']}/{found['path']}"
        raise SpecificationError(f"found '{found[0]}', which is no URL; expected '{instead}'", "Correct the address.", path)
    nested = nested_file(line)
    if nested is None:
        _check_place(line, path)
        _check_grammar(line, path)
    elif nested[1].startswith("file:"):
        raise SpecificationError(
            f"found '{line}'; expected a path as seen from the file that names it, or a URL with http or https",
            f"Write '{nested[0]} {nested[1].removeprefix('file:').removeprefix('//')}'.",
            path,
        )


def _check_options(line: str, path: Path) -> None:
    """Refuse options that pip knows on its command line only: it would say so after conda has built the whole environment."""
    plain = re.split(r"\s#", line, maxsplit=1)[0]
    own = re.match(_NOWHERE, plain)
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
    option = re.match(_PLACE_OPTION, line)
    if line.startswith("-") and not option:
        return
    # pip takes an option's value and what follows `@` for a place, and anything else only if it looks like one.
    named = option or re.match(_DIRECT, line)
    target = unquote(named.group("target") if named else line)
    target = re.split(r"\s+(?:;|--)|;\s", target, maxsplit=1)[0].strip()
    if re.match(_BUILD_MACHINE, target):
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
    if plain.startswith(("./", "../", "~/")) or plain in (".", "..") or re.match(_WINDOWS, target):
        return True
    return plain.endswith(_ARCHIVES) or re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+/?", plain) is not None


def _check_grammar(line: str, path: Path) -> None:
    """Refuse a line for pip that pip cannot read, or of which it would drop a part."""
    text = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
    query = re.search(_QUERY, text)
    if query:
        instead = f"{query['address']}@{query['revision']}"
        raise SpecificationError(f"found '{query[0]}', which is not pip's notation; expected '{instead}'", "Correct it.", path)
    # pip itself fills in variables of the environment.
    if not text or "${" in text:
        return
    if text.startswith("-"):
        _check_words(text, path)
        return
    for digest in re.finditer(_HASH, text):
        if not re.fullmatch(_GOOD_HASH, digest["hash"]):
            raise SpecificationError(
                f"found the hash '{digest['hash']}'; expected 'sha256:' (or sha384, sha512) and digits",
                "Give the hash as 'pip hash' or the package index shows it.",
                path,
            )
    requirement = re.split(r"\s--?[A-Za-z]", text, maxsplit=1)[0].strip()
    for mistaken, what, instead in ((_PAGE, "the page of a repository", "git+"), (slips.FILE, "the name of a file", "-r ")):
        if re.fullmatch(mistaken, requirement):
            raise SpecificationError(f"found '{requirement}', {what}", f"Did you mean '{instead}{requirement}'?", path)
    is_place = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|[./~\\$]", requirement) is not None or (
        "/" in requirement and "@" not in requirement
    )
    if is_place or re.fullmatch(_REQUIREMENT, requirement):
        return
    turned = slips.turned(requirement)
    doubled = re.sub(r"^([\w.-]+(?:\[[^\]]*\])?)\s*=\s*([\w.]+)(?:=\S*)?$", r"\1==\2", requirement)
    doubled = re.sub(r"(==\s*[\w.]+)=\S+$", r"\1", doubled)
    better = next((text for text in (doubled, turned) if text != requirement and re.fullmatch(_REQUIREMENT, text)), "")
    raise SpecificationError(
        f"found '{in_one_line(requirement)}', which pip cannot read; expected a requirement such as 'requests==2.32.3'",
        f"Did you mean '{better}'?" if better else "Write it as 'name', 'name==1.2', 'name>=1,<2' or 'name @ URL'.",
        path,
    )


def _check_words(line: str, path: Path) -> None:
    """Refuse what pip reads past: it takes options from such a line, and nothing else."""
    import shlex  # noqa: PLC0415 - few specifications have such a line

    try:
        words = shlex.split(line)
    except ValueError as error:
        raise SpecificationError(f"found '{line}', which pip cannot read: {error}", "Close the quotes.", path) from None
    expected = False
    for word in words:
        if word.startswith("-") and word not in _WITH_VALUE and word.split("=")[0] not in _KNOWN and not re.match(_SHORT, word):
            return
        if not expected and not word.startswith("-"):
            raise SpecificationError(
                f"found '{word}' behind options in '{line}', which pip reads without it; expected a line for each",
                f"Make '{word}' an item of its own.",
                path,
            )
        expected = not expected and word in _WITH_VALUE
