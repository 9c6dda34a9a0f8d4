# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first contact with a host: is it the right one, and who gets in? Pure. Private to this collection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ...module_utils._host.refused import RefusedError

# Best first. The role sshd keeps Ed25519 and RSA; a pinned ECDSA key would not outlive it.
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
}
ON_ITS_CONSOLE = "on the host's console: 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub'"
# Words of sshd, PAM and the clouds' images -> what helps.
LOGIN_PROBLEMS = (
    (
        r"please login as the user \W*([\w.-]+?)\W",
        "{user} is turned away, the image wants '{found}'; use -e bootstrap_user={found}",
    ),
    (
        r"password (?:has )?expired|password change required|required to change your password",
        "the password of {user} has expired and a person must change it: log in once with 'ssh {user}@HOST', set a new one, "
        "and give that one here",
    ),
    (r"account has expired", "the account {user} has expired; renew it on the host's console with 'chage -E -1 {user}'"),
    (
        r"not allowed at this time|connection (?:closed|reset) by",
        "{user}: the host closes the connection at once; it may punish failed logins, wait a minute and run this again",
    ),
    (r"too many authentication failures", "{user} is refused before the right key came; name it with --private-key FILE"),
)
# What a host says to one login; run by its own shell, needs nothing but POSIX.
PROBE = """printf 'uid=%s\\n' "$(id -u)"
command -v python3 >/dev/null && python3 -c 'import sys; print("python=%d.%d.%d" % sys.version_info[:3])'
command -v sudo >/dev/null && { sudo -n true 2>/dev/null && echo sudo=free || echo sudo=asks; }
:"""


class HostKey(t.NamedTuple):
    """A host's public key."""

    type: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.type})"


class Pins(t.NamedTuple):
    """What known_hosts says about one name."""

    keys: tuple[HostKey, ...]
    authority: bool
    """Whether an authority vouches for the host; then ssh itself looks at its certificate."""


class Login(t.NamedTuple):
    """What one login told."""

    uid: int
    python: str
    sudo: str
    """V(free), V(asks), or nothing where there is no sudo."""

    @property
    def may_become_root(self) -> bool:
        return self.uid == 0 or self.sudo == "free"


def parse_known_hosts(text: str) -> Pins:
    """Read lines of known_hosts, or of ``ssh-keygen -F`` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    keys, authority = [], False
    for line in text.splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        authority = authority or marker == "@cert-authority"
        if not marker and _is_base64(fields[2]):
            keys.append(HostKey(fields[1], fields[2]))
    return Pins(tuple(dict.fromkeys(keys)), authority)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def host_key_algorithms(pinned: Iterable[HostKey]) -> str:
    """Signature algorithms to offer, so that a host shows the key that is pinned, or else its best."""
    types = list(dict.fromkeys([*(key.type for key in pinned if key.type in ALGORITHMS), *ALGORITHMS]))
    return ",".join(name for type_ in types for name in ALGORITHMS[type_])


def is_pinned(host: str, offered: HostKey, pins: Pins, files: Sequence[str]) -> bool:
    """Whether this is the host that was pinned; refused if another one was."""
    if offered in pins.keys:
        return True
    if pins.keys:
        raise RefusedError(
            f"the host key of {host} has CHANGED: found {offered}; expected {' or '.join(map(str, pins.keys))}, pinned in "
            f"{', '.join(files)}",
            f"Another machine answers, or this one was reinstalled. Compare {ON_ITS_CONSOLE}. If it was "
            f"reinstalled, remove the old key with 'ssh-keygen -R {host} -f {files[0]}' and run this again",
        )
    return False


def check_fingerprint(host: str, offered: HostKey, expected: Sequence[str], others: Iterable[HostKey]) -> None:
    """Compare with the fingerprints that a person has given."""
    wanted = {_normalised(item) for item in expected}
    if offered.fingerprint in wanted:
        return
    for other in others:
        if other.fingerprint in wanted:
            raise RefusedError(
                f"bootstrap_host_key_fingerprint: found that of the host's {other.type} key; expected that of its "
                f"{offered.type} key, which is the one that stays; read it {ON_ITS_CONSOLE}"
            )
    raise RefusedError(
        f"the host key of {host} is not the expected one: found {offered}; expected {', '.join(sorted(wanted))} "
        "(bootstrap_host_key_fingerprint)",
        f"Another machine may answer; compare {ON_ITS_CONSOLE}",
    )


def _normalised(fingerprint: str) -> str:
    """People copy the whole line of ``ssh-keygen -l``, or leave the name of the hash out."""
    word = next((word for word in fingerprint.split() if word.startswith("SHA256:")), fingerprint.strip())
    return (word if word.startswith("SHA256:") else f"SHA256:{word}").rstrip("=")


def known_hosts_line(name: str, key: HostKey) -> str:
    return f"{name} {key.type} {key.blob}\n"


def check_administrator(name: str, administrators: Sequence[str]) -> None:
    """Refuse before anything is touched what would end with nobody who gets in."""
    if name not in administrators:
        listed = ", ".join(administrators) or "none"
        raise RefusedError(
            f"ansible_user: found {name or 'nothing'}; expected one of accounts_administrators ({listed}): Ansible will log "
            "in as this account, and root will not be let in",
            "Correct ansible_user or accounts_administrators in the inventory; the account for the first contact is "
            "'bootstrap_user'",
        )


def check_sudo_password(name: str, administrators: Iterable[Mapping[str, t.Any]], *, has_password: bool) -> None:
    """Refuse before anything is touched what would end at the first task that needs root."""
    mine = [item for item in administrators if item.get("name") == name and item.get("state") != "absent"]
    if mine and not has_password and not any(item.get("sudo_nopasswd") for item in mine):
        raise RefusedError(
            f"ansible_user: found {name}, whose sudo asks for a password (no 'sudo_nopasswd' in accounts_administrators), and no "
            "password; expected it",
            "Give it with -K (--ask-become-pass), or as 'ansible_become_password' from a vault",
        )


def parse_login(output: str) -> Login:
    """Read what PROBE printed; other lines are greetings."""
    told = dict(line.split("=", 1) for line in output.splitlines() if line.startswith(("uid=", "python=", "sudo=")))
    uid = told.get("uid", "")
    return Login(int(uid) if uid.isdecimal() else -1, told.get("python", ""), told.get("sudo", ""))


def login_problem(user: str, output: str, error: str, *, password: bool) -> str:
    """Why a login failed, and what helps."""
    said = " ".join(f"{output}\n{error}".split())
    for words, sentence in LOGIN_PROBLEMS:
        found = re.search(words, said, re.IGNORECASE)
        if found:
            return sentence.format(user=user, found=(found.groups() or ("",))[0])
    refused = re.search(r"permission denied \(([^)]*)\)", said, re.IGNORECASE)
    if refused is None:
        lines = [line for line in error.splitlines() if line.strip()]
        return f"{user}: {lines[-1] if lines else 'the login ended without a word'}"
    offers = f"(the host offers: {refused.group(1)})"
    if password:
        return f"{user} is refused with this password and with the controller's keys {offers}"
    hint = "; a one-time password is given with -k (--ask-pass) or bootstrap_password"
    asks = "password" in offers or "keyboard-interactive" in offers
    return f"{user} is refused with the controller's keys {offers}{hint if asks else ''}"


def no_way_in(host: str, port: int, problems: Iterable[str]) -> str:
    """One message with everybody who was tried."""
    return (
        f"nobody gets in at {host}, port {port}: {'; '.join(problems)}. Expected one account that may log in and become root: "
        "the administrator (ansible_user), or 'bootstrap_user' (root, or the cloud image's own, such as debian or ubuntu)"
    )


def sudo_problem(user: str, login: Login) -> str:
    if not login.sudo:
        return f"{user} logs in, but the host has no sudo"
    return f"{user} logs in, but sudo wants a password or refuses; give it with -K (--ask-become-pass) or ansible_become_password"
