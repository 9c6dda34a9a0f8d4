# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd's configuration files say and shall say, by the rules of sshd_config(5). Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .._host.refused import RefusedError

MAIN = "/etc/ssh/sshd_config"
# Keyword -> what to ask `ssh -Q` for. Host keys, user keys and certificates are all signatures.
ALGORITHMS = {
    "KexAlgorithms": "kex",
    "Ciphers": "cipher",
    "MACs": "mac",
    "HostKeyAlgorithms": "HostKeyAlgorithms",
    "PubkeyAcceptedAlgorithms": "HostKeyAlgorithms",
    "CASignatureAlgorithms": "HostKeyAlgorithms",
    "HostbasedAcceptedAlgorithms": "HostKeyAlgorithms",
}
# What a client and the server have to agree on.
NEGOTIATED = ("KexAlgorithms", "Ciphers", "MACs", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms")
# These ciphers need no MAC.
AUTHENTICATED = ("gcm@openssh.com", "chacha20-poly1305@openssh.com")
COMMA_SEPARATED = frozenset(name.lower() for name in (*ALGORITHMS, "PerSourcePenaltyExemptList"))
ONE_PER_LINE = frozenset({"port", "listenaddress", "hostkey", "hostcertificate", "acceptenv", "setenv"})
# Of all other keywords the first value wins; of these every line counts.
ADDITIVE = frozenset(
    {"port", "listenaddress", "hostkey", "hostcertificate", "acceptenv", "subsystem"}
    | {"allowgroups", "allowusers", "denygroups", "denyusers"}
)
# Former names that sshd still takes (servconf.c).
ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "hostdsakey": "hostkey",
    "keepalive": "tcpkeepalive",
}
MAXIMUM_DEPTH = 16  # servconf.c, SERVCONF_MAX_DEPTH

Settings = t.Mapping[str, t.Any]


class ConfigError(RefusedError, ValueError):
    """The wanted configuration cannot be had on this host."""


class Line(NamedTuple):
    """One setting in one file."""

    path: str
    number: int
    keyword: str
    """In lower case, by its name of today; sshd does not care about case."""
    value: str
    in_match: bool


def parse_version(text: str) -> tuple[int, int]:
    """The version in what ``sshd -V`` prints."""
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", text)
    if match is None:
        raise ConfigError(f"cannot find the version of OpenSSH in {text.strip()!r}")
    return int(match[1]), int(match[2])


def settings_for(
    version: tuple[int, int],
    settings: Settings,
    since: Iterable[Mapping[str, t.Any]],
    supported: Callable[[str], Iterable[str]],
) -> dict[str, t.Any]:
    """The settings for this version, with only those algorithms that this host's OpenSSH has.

    ``since`` is a list of ``{version, settings}`` in rising order; each that the host has reached goes over those before it, and
    ``settings`` over all of them. ``supported`` tells the algorithms that the host has, asked as ``ssh -Q`` wants it.
    """
    reached = [entry["settings"] for entry in since if version >= _version(str(entry["version"]))]
    merged: dict[str, t.Any] = {}
    names: dict[str, str] = {}
    for layer in (*reached, settings):
        for keyword, value in layer.items():
            # sshd does not care about case, and of two lines only the first would count.
            merged[names.setdefault(keyword.lower(), keyword)] = value
    for keyword, query in ALGORITHMS.items():
        if keyword in merged:
            wanted = _algorithms(keyword, merged[keyword])
            available = frozenset(supported(query))
            merged[keyword] = [name for name in wanted if name in available]
            if not merged[keyword]:
                raise ConfigError(f"{keyword}: found none of {', '.join(wanted)} in this host's OpenSSH; expected at least one")
    return {keyword: value for keyword, value in merged.items() if value is not None and value != []}


def render(header: str, settings: Settings, matches: Iterable[Mapping[str, t.Any]] = ()) -> str:
    """The text of the file."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    lines += _directives(settings)
    for match in matches:
        lines += ["", f"Match {match['criteria']}"]
        lines += [f"    {line}" for line in _directives(match["settings"])]
    return "\n".join(lines) + "\n"


def walk(path: str, read: Callable[[str], str | None], expand: Callable[[str], Sequence[str]]) -> Iterator[Line]:
    """Every setting in the order in which sshd reads them, with included files in their place.

    ``read`` returns the text of a file or None; ``expand`` the files that a pattern stands for, in order.
    """
    yield from _walk(path, read, expand, inside=False, depth=0)


def rivals(lines: Iterable[Line], ours: str, managed: Iterable[str]) -> tuple[list[Line], list[Line]]:
    """Lines of other files that would win over ours: those that hold for everyone, and those inside a Match block."""
    names = frozenset(name.lower() for name in managed)
    general: list[Line] = []
    conditional: list[Line] = []
    reached = False
    for line in lines:
        if line.path == ours:
            reached = True
        elif line.keyword not in names:
            continue
        elif line.in_match:
            conditional.append(line)
        elif line.keyword in ADDITIVE or not reached:
            general.append(line)
    return general, conditional


def has_port(address: str) -> bool:
    """Whether the value of a ListenAddress names a port: HOST:PORT or [IPv6]:PORT (sshd_config(5))."""
    word = address.partition(" ")[0]
    return bool(re.fullmatch(r"\[[^]]*\]:\d+|[^:]+:\d+", word))


def without_port(address: str) -> str:
    """The address alone in the value of a ListenAddress."""
    word = address.partition(" ")[0]
    return (word.rpartition(":")[0] if has_port(word) else word).strip("[]")


def says_otherwise(line: Line, settings: Settings) -> bool:
    """Whether a line means something else than our setting of its keyword."""
    value = next(value for keyword, value in settings.items() if keyword.lower() == line.keyword)
    separator = "," if line.keyword in COMMA_SEPARATED else " "
    return separator.join(_words(value)).lower() != " ".join(line.value.split()).lower()


def not_spoken(settings: Settings, client: Mapping[str, Sequence[str]]) -> list[str]:
    """Why a client that knows these algorithms could not talk to the server; nothing if it can."""
    common = {
        keyword: [name for name in _words(settings[keyword]) if name in client[keyword]]
        for keyword in NEGOTIATED
        if keyword in settings and keyword in client
    }
    if any(name.endswith(AUTHENTICATED) for name in common.get("Ciphers", [])):
        common.pop("MACs", None)
    return [
        f"{keyword}: found {', '.join(client[keyword])} in the controller's ssh client; the server would only accept "
        f"{', '.join(_words(settings[keyword]))}"
        for keyword, names in common.items()
        if not names
    ]


def comment_out(text: str, numbers: Iterable[int], note: str) -> str:
    """The text with these lines turned into comments."""
    wanted = frozenset(numbers)
    lines = text.splitlines(keepends=True)
    return "".join(f"# {note}: {line.lstrip()}" if number in wanted else line for number, line in enumerate(lines, 1))


def effective_ports(listing: str) -> list[int]:
    """The ports in the output of ``sshd -T``."""
    return [int(value) for keyword, value in parse_listing(listing) if keyword == "port"]


def effective_addresses(listing: str) -> set[tuple[str, int]]:
    """Addresses and ports in the output of ``sshd -T``."""
    values = (value for keyword, value in parse_listing(listing) if keyword == "listenaddress")
    return {(without_port(value), int(value.partition(" ")[0].rpartition(":")[2])) for value in values}


def parse_listing(listing: str) -> list[tuple[str, str]]:
    """The output of ``sshd -T`` as pairs; a keyword may come several times."""
    pairs = (line.partition(" ") for line in listing.splitlines() if line)
    return [(keyword.lower(), value) for keyword, _unused, value in pairs]


def group_listing(listing: str) -> dict[str, list[str]]:
    """The output of ``sshd -T`` as values by keyword."""
    grouped: dict[str, list[str]] = {}
    for keyword, value in parse_listing(listing):
        grouped.setdefault(keyword, []).append(value)
    return grouped


def differences(wanted: str, actual: str, managed: Iterable[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Keywords of which the whole configuration makes something else than our file alone. Both are output of ``sshd -T``."""
    expected, found = group_listing(wanted), group_listing(actual)
    names = sorted({name.lower() for name in managed})
    return {
        name: (expected.get(name, []), found.get(name, []))
        for name in names
        if sorted(expected.get(name, [])) != sorted(found.get(name, []))
    }


def strong_moduli(text: str, minimum: int) -> str:
    """The moduli(5) file without groups below so many bits; sshd's own count is one less than the length."""
    kept = []
    for line in text.splitlines(keepends=True):
        fields = line.split()
        if line.startswith("#") or len(fields) != 7 or int(fields[4]) >= minimum:
            kept.append(line)
    return "".join(kept)


def _walk(
    path: str, read: Callable[[str], str | None], expand: Callable[[str], Sequence[str]], *, inside: bool, depth: int
) -> Iterator[Line]:
    text = read(path)
    if text is None or depth > MAXIMUM_DEPTH:
        return
    in_match = inside
    for number, raw in enumerate(text.splitlines(), 1):
        words = split_line(raw)
        if not words:
            continue
        keyword, *values = words
        keyword = ALIASES.get(keyword.lower(), keyword.lower())
        if keyword == "match":
            # `Match all` ends the blocks before it: what follows holds for everyone again.
            in_match = inside or [value.lower() for value in values] != ["all"]
        elif keyword == "include":
            for pattern in values:
                for included in expand(pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}"):
                    yield from _walk(included, read, expand, inside=in_match, depth=depth + 1)
        else:
            yield Line(path, number, keyword, " ".join(values), in_match)


# A word of sshd_config(5): quotes keep blanks together, a backslash takes the meaning from what follows (argv_split() in misc.c).
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+""")
_QUOTED = re.compile(r"""\\(["'\\ ])|["']""")


def split_line(raw: str) -> list[str]:
    """The words of a line, the keyword first, without quotes and without a comment; nothing for a line that says nothing."""
    keyword = re.match(r"""\s*"?([A-Za-z0-9]+)"?(?:\s*=\s*|\s+|$)""", raw)
    if keyword is None:
        return []
    words = [keyword[1]]
    for word in _WORD.findall(raw[keyword.end() :]):
        # Within a word it is a sign as any other.
        if word.startswith("#"):
            break
        words.append(_QUOTED.sub(lambda sign: sign[1] or "", word))
    return words


def _directives(settings: Settings) -> list[str]:
    lines = []
    for keyword, value in settings.items():
        words = _words(value)
        if keyword.lower() in ONE_PER_LINE:
            lines += [f"{keyword} {word}" for word in words]
        elif keyword.lower() in COMMA_SEPARATED:
            lines.append(f"{keyword} {','.join(words)}")
        else:
            lines.append(f"{keyword} {' '.join(words)}")
    return lines


def _algorithms(keyword: str, value: t.Any) -> list[str]:
    """Names, given as a list or as sshd's own text with commas."""
    names = [name.strip() for word in _words(value) for name in word.split(",") if name.strip()]
    if names and names[0][0] in "+-^":
        raise ConfigError(f"{keyword}: found '{names[0]}'; expected the whole list of algorithms, without '+', '-' or '^'")
    return names


def _words(value: t.Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [_word(item) for item in value]
    return [_word(value)]


def _word(value: t.Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if "\n" in text or "\r" in text:
        raise ConfigError(f"found a line break in the value {text!r}; expected one line")
    return text


def _version(text: str) -> tuple[int, int]:
    major, _unused, minor = text.partition(".")
    return int(major), int(minor or 0)
