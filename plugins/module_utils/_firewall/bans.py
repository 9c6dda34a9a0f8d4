# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's jails, and how to see that one of them works. Pure. Private to this collection."""

from __future__ import annotations

import ast
import contextlib
import ipaddress
import re
import time
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from .._host import dpkg
from .._host.refused import RefusedError

# Whoever empties the whole ruleset, as Debian's nftables.service does, takes the bans away, too; fail2ban does not notice. They
# come back from its database.
NFTABLES_DROPIN = "/etc/systemd/system/nftables.service.d/60-research-server-fail2ban.conf"
NFTABLES_TEXT = """\
# {header}
[Service]
ExecStartPost=-/usr/bin/timeout 20 /usr/bin/fail2ban-client reload --restart --all
ExecReload=-/usr/bin/timeout 20 /usr/bin/fail2ban-client reload --restart --all
ExecStopPost=-/usr/bin/timeout 20 /usr/bin/fail2ban-client reload --restart --all
"""
# The jail `recidive` reads fail2ban's own log. Where that is missing, as in an image that was cleaned or with /var/log in memory,
# fail2ban would end at once, with a status after which systemd does not try again.
OWN_DROPIN = "/etc/systemd/system/fail2ban.service.d/50-research-server.conf"
OWN_TEXT = """\
# {header}
[Service]
ExecStartPre=/bin/sh -c 'test -e {log} || install -m 0640 /dev/null {log}'
"""

# Debian's own jail file; all others of packages are of sections that are not switched on.
PACKAGED = ("jail.d/defaults-debian.conf",)

NUMBERS = ("maxretry", "findtime", "bantime")
# A command that says whom to spare.
TEXTS = ("ignorecommand",)
PROMPT = "fail2ban> "
# fail2ban.server.utils, Utils; jail.conf(5), "Time abbreviation format".
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2629728, "y": 31557600}

LOOPBACK = ("127.0.0.1/8", "::1")


class JailError(RefusedError, ValueError):
    """The wanted jails cannot be written."""


def render(header: str, sections: Mapping[str, Mapping[str, t.Any]], ignoreip: Iterable[str]) -> str:
    """The text of the file, as jail.conf(5) wants it. ``ignoreip`` holds for all jails."""
    whole = {"DEFAULT": {**sections.get("DEFAULT", {}), "ignoreip": " ".join(ignoreip)}}
    whole.update({name: dict(section) for name, section in sections.items() if name != "DEFAULT"})
    lines = [f"# {header}"]
    for name, section in whole.items():
        lines += ["", f"[{name}]"]
        lines += [f"{key} = {_value(key, value)}" for key, value in section.items() if value is not None]
    return "\n".join(lines) + "\n"


def missing(wanted: Iterable[str], status: str) -> list[str]:
    """The packages that are not installed, by the text of /var/lib/dpkg/status."""
    wanted = list(wanted)
    installed = dpkg.installed(status, wanted.__contains__)
    return [name for name in wanted if name not in installed]


def doors(listing: str) -> list[tuple[str, int]]:
    """Addresses and ports at which sshd can be reached from its own host, from the output of ``sshd -T``."""
    found = []
    for line in listing.splitlines():
        match = re.fullmatch(r"listenaddress (\[[^]]*\]|[^:\s]+):(\d+)", line.strip())
        if match:
            address = ipaddress.ip_address(match[1].strip("[]").partition("%")[0])
            loopback = "127.0.0.1" if address.version == 4 else "::1"
            found.append((loopback if address.is_unspecified else str(address), int(match[2])))
    return found


def overriding(names: Iterable[str], ours: str) -> list[str]:
    """Of the files below /etc/fail2ban, by their paths there, those by which somebody may change what our jails do.

    A filter or an action of a name of its own does nothing unless a jail names it (jail.conf(5)).
    """
    known = set(names)
    found = []
    for name in sorted(known - {ours, *PACKAGED}):
        folder, _slash, file = name.rpartition("/")
        overrides = name.endswith(".local") and f"{name.removesuffix('.local')}.conf" in known
        if overrides or (folder == "jail.d" and file.endswith((".conf", ".local"))):
            found.append(name)
    return found


def commands(dump: str, jails: Iterable[str]) -> list[str]:
    """What ``fail2ban-client -d`` says about these jails, and about the server: one line for each."""
    names, found = set(jails), []
    for words in _spoken(dump):
        if len(words) > 1 and (words[1] in names or (words[0] == "set" and len(words) == 3)):
            found.append(" ".join(map(str, words)))
    return found


def numbers(dump: str, jails: Iterable[str]) -> list[tuple[str, str, str]]:
    """Jail, setting and value as the running server would tell it, of those that say who is banned and for how long."""
    names, found = set(jails), []
    for words in _spoken(dump):
        if len(words) == 4 and words[0] == "set" and words[1] in names and words[2] in NUMBERS:
            value = seconds(str(words[3]))
            if value is not None:
                found.append((str(words[1]), str(words[2]), str(value)))
        if len(words) == 4 and words[0] == "set" and words[1] in names and words[2] in TEXTS:
            found.append((str(words[1]), str(words[2]), str(words[3])))
    return found


def actions(dump: str, jails: Iterable[str]) -> list[tuple[str, str, str]]:
    """The same of what a jail does with those whom it bans, by name."""
    found: dict[str, list[str]] = {name: [] for name in jails}
    for words in _spoken(dump):
        if len(words) > 3 and words[0] == "set" and words[1] in found and words[2] == "addaction":
            found[str(words[1])].append(str(words[3]))
    return [(jail, "actions", " ".join(sorted(names))) for jail, names in found.items() if names]


def spared(dump: str, jails: Iterable[str]) -> list[tuple[str, str, str]]:
    """The same of those whom a jail never bans."""
    names = set(jails)
    return [
        (str(words[1]), "ignoreip", _networks(map(str, words[3:])))
        for words in _spoken(dump)
        if len(words) > 2 and words[0] == "set" and words[1] in names and words[2] == "addignoreip"
    ]


def answered(key: str, text: str) -> str:
    """An answer of the running server, as numbers() and spared() write what it should be."""
    # A heading, and a tree of one per line.
    if key == "ignoreip":
        return _networks(re.findall(r"^[|`]- (\S+)$", text, re.MULTILINE))
    # A sentence, and the names; or a sentence that there are none.
    return " ".join(sorted(text.partition(":\n")[2].split(", "))) if key == "actions" else text


def _networks(texts: Iterable[str]) -> str:
    """Networks in a fixed order; names of hosts as they are."""
    return " ".join(sorted({_network(text) for text in texts}))


def _network(text: str) -> str:
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_network(text, strict=False))
    return text


def _spoken(dump: str) -> Iterator[list[t.Any]]:
    """The commands in the output of ``fail2ban-client -d``, a list in each line; it says other things, too."""
    for line in dump.splitlines():
        with contextlib.suppress(ValueError, SyntaxError):
            words = ast.literal_eval(line)
            if isinstance(words, list):
                yield words


def seconds(text: str) -> int | None:
    """Of a number, or of a time as fail2ban writes it, such as C(1h 30m); None for what is neither."""
    if re.fullmatch(r"-?\d+", text.strip()):
        return int(text)
    parts = re.findall(r"(\d+)\s*([a-z]+)", text)
    if not parts or re.sub(r"\d+\s*[a-z]+|\s", "", text) or any(unit not in UNITS for _number, unit in parts):
        return None
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def answers(text: str) -> list[str]:
    """What ``fail2ban-client -i`` printed, by question."""
    return [answer.strip() for answer in text.split(PROMPT)[1:]]


def reloaded(log: str) -> float:
    """When fail2ban has last read its files again, in seconds since 1970, by the text of its log; 0 if that does not say."""
    found = re.findall(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) .*: INFO\s+Reload finished\.$", log, re.MULTILINE)
    # In local time, as the host's clock shows it.
    return time.mktime(time.strptime(found[-1][0], "%Y-%m-%d %H:%M:%S")) + int(found[-1][1]) / 1000 if found else 0.0


def noticed(log: str, jail: str, address: str) -> bool:
    """Whether the jail has understood a failure from this address, which it never bans. By the text of fail2ban's log."""
    return re.search(rf"\[{re.escape(jail)}\] Ignore {re.escape(address)} by ", log) is not None


def _value(key: str, value: t.Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if "\r" in text or re.search(r"\n\s*(\n|$)", text):
        raise JailError(f"found an empty line in the value of '{key}'; expected none")
    # A line that is indented goes on with the value.
    return "\n            ".join(line.strip() for line in text.split("\n"))
