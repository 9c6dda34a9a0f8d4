# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an account will still get in. Pure. Private to this collection."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from .key_options import obstacle
from .keys import EXPECTED, KeyFormatError, parse, refusal

NO_SHELL = ("nologin", "false", "true", "sync")


class Account(NamedTuple):
    """What the host knows about one account."""

    name: str
    uid: int
    groups: frozenset[str]
    shell: str
    expired: bool
    key_files: tuple[str, ...]
    keys: tuple[str, ...]
    """Lines of all its authorized_keys files."""
    keys_elsewhere: bool = False
    """Whether sshd also asks a program for keys, or trusts certificates that it trusts today."""
    certificates_lost: bool = False
    """Whether no certificate that lets people in today will do so tomorrow."""
    revoked: frozenset[bytes] = frozenset()
    """Keys that are never accepted."""
    now: float = 0.0
    """Seconds since 1970."""
    shell_missing: bool = False
    """Whether the shell is no program that can be started."""


def lets_nobody_in(shell: str) -> bool:
    """Whether the shell is one that ends at once."""
    return shell.rpartition("/")[2] in NO_SHELL


def obstacles(account: Account, allow_groups: Sequence[str], *, root_login: bool) -> list[str]:
    """Why this account could not log in by key under the new configuration; empty if it can."""
    found = []
    if account.uid == 0 and not root_login:
        found.append("root will not be let in; connect as an administrator (ansible_user) who may use sudo")
    if allow_groups and not account.groups & frozenset(allow_groups):
        found.append(
            f"it is in none of the allowed groups ({', '.join(allow_groups)}); add it to accounts_administrators and apply the "
            "role accounts first, or add one of its groups to sshd_allow_groups"
        )
    if lets_nobody_in(account.shell):
        found.append(f"its shell is {account.shell}, which lets nobody in; give it a login shell")
    elif account.shell_missing:
        # Also with the right key (allowed_user() in sshd's auth.c).
        found.append(
            f"its shell is {account.shell}, where no program is that can be started; install the package that brings it, or give "
            "the account another shell"
        )
    if account.expired:
        found.append("the account has expired; renew it with 'chage -E -1'")
    return found + (_revoked(account) or ([] if account.keys_elsewhere else _key_obstacles(account)))


def _revoked(account: Account) -> list[str]:
    """Which of the account's keys is in use, sshd does not tell; so none of them may be revoked."""
    keys = []
    for line in account.keys:
        with contextlib.suppress(KeyFormatError):
            keys.append(parse(line))
    return [
        f"its key {key.fingerprint} is among the revoked keys; give the account another key, take this one out of its entry in "
        "accounts_administrators, and apply the role accounts first"
        for key in keys
        if key.blob in account.revoked
    ]


def _key_obstacles(account: Account) -> list[str]:
    reasons = []
    for line in account.keys:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            key = parse(text)
            reason = refusal(key) or obstacle(key.restrictions, now=account.now)
        except KeyFormatError as error:
            reason = str(error)
        if not reason:
            return []
        reasons.append(reason)
    if account.certificates_lost:
        reasons.append(
            "certificates of authorities that are not trusted any more (keep the old one in sshd_trusted_user_ca_keys)"
        )
    what = "; ".join(reasons) if reasons else "no key at all"
    return [f"found {what} in {', '.join(account.key_files)}; expected one key that will be accepted: {EXPECTED}"]
