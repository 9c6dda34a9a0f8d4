# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in over SSH for which nobody gave a key: wherever sshd_config(5) says that sshd looks. Private to this collection.

The files of people who are declared are the role's `accounts`; the lines in its own file are the role's `sshd`.
"""

from __future__ import annotations

import glob
import os
import posixpath
import re
import shlex
import stat
from collections.abc import Iterator, Sequence

from .._accounts.keys import HOME_PARTS, IN_HOMES, system_file
from .._host.numbers import FIRST_PERSON
from .._ssh import server_config, trust
from .._ssh.keys import KeyFormatError, PublicKey, parse
from .._text.escapes import in_one_line
from .declared import Declared
from .finding import Finding, Severity, digest
from .host import Account, Host, accounts
from .sudo import real

TOPIC = "keys"
OURS = "/etc/ssh/sshd_config.d/00-research-server.conf"
DEFAULT_FILES = (IN_HOMES, ".ssh/authorized_keys2")
MOST = 100  # keys of one file
# What the role accounts has put aside waits there to be looked at; sshd reads it for nobody.
PUT_ASIDE = re.compile(r".+\.replaced\.\d+")
NOTHING = r"(?!)"
# Keyword -> its value that says nothing, and the value of the role sshd.
ELSEWHERE = {
    "authorizedkeyscommand": ("none", ""),
    "trustedusercakeys": ("none", trust.AUTHORITIES),
    "authorizedprincipalsfile": ("none", trust.PRINCIPALS),
    "authorizedprincipalscommand": ("none", ""),
    "hostbasedauthentication": ("no", ""),
}
# sshd(8), FILES: which other machines are trusted to say who comes.
# What sshd starts, and with what, beside the value that Debian's file has or that means nothing. Of all other settings that
# matter the role sshd has its own.
SURROUNDINGS = {
    "acceptenv": r"(?:(?:LANG|LC_\*|LC_[A-Z]+|COLORTERM|NO_COLOR)\s*)+",
    "chrootdirectory": "none",
    "forcecommand": "none",
    "gssapiauthentication": "no",
    "hostkeyagent": "none",
    "ignorerhosts": "yes|shosts-only",
    "kerberosauthentication": "no",
    "modulifile": "/etc/ssh/moduli",
    "pamservicename": "sshd",
    "securitykeyprovider": "internal",
    "setenv": NOTHING,
    "subsystem": r"sftp\s+(?:/usr/lib/openssh/sftp-server|internal-sftp)(?:\s+-[a-z]\s+\w+)*",
    "xauthlocation": "/usr/bin/xauth",
}
TRUSTED_MACHINES = ("/etc/ssh/shosts.equiv", "/etc/hosts.equiv")
TRUSTED_BY_ROOT = (".shosts", ".rhosts")


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    lines = settings(host)
    root_comes = _root_comes(lines)
    known = accounts(host)
    trusted = _keys_of_administrators(host, declared, known)
    words = _files(lines)
    for account in [*known, *_without_account(host, words, {account.name for account in known})]:
        in_home = _paths(account, DEFAULT_FILES)
        read = _paths(account, words)
        person = account.name in declared.people
        # Without the role accounts nobody is declared, and nothing is known about people.
        if account.uid >= FIRST_PERSON and not person and not declared.people:
            continue
        managed = {system_file(account.name), posixpath.join(account.home, *HOME_PARTS)} if person else set()
        for path in dict.fromkeys([*read, *in_home] if account.name == "root" else read):
            awake = path in read and (root_comes or account.uid != 0)
            if path not in managed:
                yield from _keys(host, account, path, trusted if account.name == "root" else frozenset(), awake=awake)
    yield from _elsewhere(host, lines)


def settings(host: Host) -> list[server_config.Line]:
    """All lines that sshd reads, in its order."""

    def expand(pattern: str) -> Sequence[str]:
        return sorted(f"/{os.path.relpath(path, host.root)}" for path in glob.glob(host.path(pattern)))

    return list(server_config.walk(server_config.MAIN, lambda path: host.text(real(host, path)), expand))


def _root_comes(lines: Sequence[server_config.Line]) -> bool:
    """Whether root may log in from anywhere: by the first line for everybody (without one a key is enough), or by a Match."""
    said = [(line.in_match, line.value.lower()) for line in lines if line.keyword == "permitrootlogin"]
    general = next((value for in_match, value in said if not in_match), "prohibit-password")
    return general != "no" or any(value != "no" for in_match, value in said if in_match)


def _files(lines: Sequence[server_config.Line]) -> tuple[str, ...]:
    """The words of AuthorizedKeysFile: of the first line for everybody, and of all Match blocks."""
    said = [(line.in_match, line.value) for line in lines if line.keyword == "authorizedkeysfile"]
    general = next((value for in_match, value in said if not in_match), " ".join(DEFAULT_FILES))
    words = " ".join([general, *(value for in_match, value in said if in_match)]).split()
    return tuple(dict.fromkeys(word for word in words if word.lower() != "none"))


def _paths(account: Account, words: Sequence[str]) -> list[str]:
    """sshd_config(5), TOKENS; what is relative is in the home."""
    tokens = {"%h": account.home, "%u": account.name, "%U": str(account.uid), "%%": "%"}
    named = (re.sub("%[huU%]", lambda token: tokens[token[0]], word) for word in words)
    return [posixpath.normpath(posixpath.join(account.home, path)) for path in named]


def _without_account(host: Host, words: Sequence[str], known: set[str]) -> Iterator[Account]:
    """Whoever has a file among those of all, and no line in passwd: the door opens with the account."""
    for word in words:
        folder, name = posixpath.split(word)
        if word.startswith("/") and name == "%u" and "%" not in folder:
            for found in host.names(folder):
                if not found.startswith(".") and found not in known and not PUT_ASIDE.fullmatch(found):
                    known.add(found)
                    yield Account(found, FIRST_PERSON, FIRST_PERSON, "/nonexistent", "")


def _keys_of_administrators(host: Host, declared: Declared, known: Sequence[Account]) -> frozenset[bytes]:
    """They may become root anyway, and are often let in as root for the first time."""
    homes = {account.name: account.home for account in known}
    found = set()
    for name in declared.administrators:
        for path in (system_file(name), posixpath.join(homes.get(name, "/nonexistent"), *HOME_PARTS)):
            found |= {key.blob for key in _parsed(host.text(path) or "") if isinstance(key, PublicKey)}
    return frozenset(found)


def _parsed(text: str) -> Iterator[PublicKey | str]:
    """The keys; what cannot be read as one stays a line."""
    for raw in text.split("\n"):
        line = raw.strip()
        if line and not line.startswith("#"):
            try:
                yield parse(line)
            except KeyFormatError:
                yield line


def _keys(host: Host, account: Account, path: str, trusted: frozenset[bytes], *, awake: bool) -> Iterator[Finding]:
    where, who = in_one_line(path), in_one_line(account.name)
    severity: Severity = "error" if awake else "warning"
    oddity = _oddity(host, account, path)
    if oddity:
        yield _finding(where, f"{oddity}, where sshd would look for keys of {who}", who, f"rm {shlex.quote(where)}", severity)
        return
    keys = [key for key in _parsed(host.text(path) or "") if isinstance(key, str) or key.blob not in trusted]
    for key in keys[:MOST]:
        if isinstance(key, str):
            mark = f"line {digest(key)}"
            what = f"a line that is no key that is accepted, for {who}"
        else:
            mark = key.fingerprint
            what = f"a key{' of an authority' if 'cert-authority' in key.options else ''} for {who} ({in_one_line(key.comment)})"
        asleep = "" if awake else ", which sshd does not accept as it is configured now"
        yield _finding(f"{where}: {mark}", what + asleep, who, f"take it out of {shlex.quote(where)}", severity)
    if len(keys) > MOST:
        yield _finding(f"{where}: many more", f"more than {MOST} keys for {who}", who, f"rm {shlex.quote(where)}", severity)


def _oddity(host: Host, account: Account, path: str) -> str:
    """What is there in place of a file and its folders. Links are not followed: who owns the home says where they lead."""
    within = path[len(account.home) :].split("/")[1:] if path.startswith(f"{account.home}/") else [posixpath.basename(path)]
    for depth in range(len(within)):
        part = posixpath.join(path[: len(path) - len("/".join(within))], *within[: depth + 1])
        status = host.status(part)
        if status is None:
            return ""
        if stat.S_ISLNK(status.st_mode):
            return "a link"
        if depth == len(within) - 1 and not stat.S_ISREG(status.st_mode):
            return "something that is no file"
    return ""


def _elsewhere(host: Host, lines: Sequence[server_config.Line]) -> Iterator[Finding]:
    for line in lines:
        nothing, ours = ELSEWHERE.get(line.keyword, ("", ""))
        if nothing and line.path != OURS and line.value.lower() != nothing and line.value != ours:
            shown = in_one_line(line.path)
            yield Finding(
                TOPIC,
                f"{shown}: {line.keyword} {in_one_line(line.value)}",
                "a setting of sshd that lets people in without a key of theirs in their file",
                "keys of accounts, and what the role sshd sets",
                f"say it in sshd_settings or sshd_trusted_user_ca_keys, or take it out of {shlex.quote(shown)}",
                "error",
            )
        usual = SURROUNDINGS.get(line.keyword)
        if usual and line.path != OURS and not re.fullmatch(usual, line.value, re.IGNORECASE):
            shown = in_one_line(line.path)
            yield Finding(
                TOPIC,
                f"{shown}: {line.keyword} {in_one_line(line.value)}",
                "a setting of sshd that says what it starts, or in which surroundings",
                "what the package and the role sshd set",
                f"say it in sshd_settings or sshd_match, or take it out of {shlex.quote(shown)}",
                "error",
            )
    home = next((account.home for account in accounts(host) if account.name == "root"), "/root")
    for path in (*TRUSTED_MACHINES, *(posixpath.join(home, name) for name in TRUSTED_BY_ROOT)):
        if host.status(path) is not None:
            found = "a file that trusts other machines to say who comes"
            yield Finding(TOPIC, in_one_line(path), found, "none", f"rm {shlex.quote(in_one_line(path))}", "error")


def _finding(name: str, found: str, who: str, removal: str, severity: Severity) -> Finding:
    expected = "keys of people who are declared, in their own accounts"
    return Finding(
        TOPIC, name, found, expected, f"give the person an entry in accounts_researchers with this key, or {removal}", severity
    )
