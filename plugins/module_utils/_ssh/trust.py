# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that sshd trusts besides those of the accounts, and keys that it never trusts. Pure. Private to this collection."""

from __future__ import annotations

import re
import time
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .certificates import Certificate, parse_certificate
from .keys import KeyFormatError, PublicKey, parse, problem

FOLDER = "/etc/ssh/research-server"
AUTHORITIES = f"{FOLDER}/trusted_user_ca_keys"
REVOKED = f"{FOLDER}/revoked_keys"
PRINCIPALS = f"{FOLDER}/principals.%u"

# One principal stands on one line of the file, with options in front of it if there is a blank (sshd(8)).
PRINCIPAL = re.compile(r"[^\s#,\"]+")
ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Trust(NamedTuple):
    """What the data says."""

    authorities: Sequence[str] = ()
    """Public keys that sign the certificates of people."""
    principals: Mapping[str, Sequence[str]] = {}
    """Account -> names in certificates that may log in to it."""
    revoked: Sequence[str] = ()
    """Public keys."""
    host_certificates: Sequence[str] = ()


def problems(trust: Trust, now: float | None = None) -> list[str]:
    """One sentence for each thing that is wrong with the data."""
    found = [
        f"sshd_trusted_user_ca_keys, key {number}: {text}"
        for number, line in enumerate(trust.authorities, 1)
        if (text := _key(line))
    ]
    for number, line in enumerate(trust.revoked, 1):
        try:
            key = parse(line)
        except KeyFormatError as error:
            found.append(f"sshd_revoked_keys, key {number}: {error}")
            continue
        if key.options:
            found.append(f"sshd_revoked_keys, key {number}: found options; expected the line of a .pub file")
    if not found:
        both = sorted(blobs(trust.authorities) & blobs(trust.revoked))
        found += [f"sshd_revoked_keys: found {_name(key)}, also in sshd_trusted_user_ca_keys; expected it in one" for key in both]
    for account, names in trust.principals.items():
        if not ACCOUNT.fullmatch(str(account)):
            found.append(f"sshd_authorized_principals: found '{account}'; expected the name of an account")
        if isinstance(names, str) or not names or not all(PRINCIPAL.fullmatch(str(name)) for name in names):
            found.append(
                f"sshd_authorized_principals, '{account}': found {names!r}; expected a list of names as in 'ssh-keygen -n', "
                "without blanks"
            )
    for number, line in enumerate(trust.host_certificates, 1):
        reason = _certificate_problem(line, time.time() if now is None else now)
        if reason:
            found.append(f"sshd_host_certificates, certificate {number}: {reason}")
    return found


def settings(trust: Trust, certificates: Iterable[str]) -> dict[str, t.Any]:
    """What sshd is told; with the paths of the host's certificates."""
    wanted = {
        "TrustedUserCAKeys": AUTHORITIES if trust.authorities else None,
        "RevokedKeys": REVOKED if trust.revoked else None,
        "HostCertificate": sorted(certificates),
    }
    return {keyword: value for keyword, value in wanted.items() if value}


def matches(trust: Trust) -> list[dict[str, t.Any]]:
    """An account that is not named keeps sshd's own rule: the certificate has to carry the account's name."""
    if not trust.principals:
        return []
    criteria = f"User {','.join(sorted(trust.principals))}"
    return [{"criteria": criteria, "settings": {"AuthorizedPrincipalsFile": PRINCIPALS}}]


def files(trust: Trust, header: str, certificates: Mapping[str, Certificate]) -> dict[str, str]:
    """Path -> text of every file."""
    wanted = {PRINCIPALS.replace("%u", account): names for account, names in trust.principals.items()}
    wanted[AUTHORITIES] = [parse(line).line for line in trust.authorities]
    wanted[REVOKED] = [parse(line).line for line in trust.revoked]
    made = {path: "\n".join([f"# {header}", *map(str, lines)]) + "\n" for path, lines in wanted.items() if lines}
    # ssh-keygen reads a certificate from the first line alone, so there is no header in it.
    return {**made, **{path: f"{certificate.line}\n" for path, certificate in certificates.items()}}


def host_certificates(trust: Trust, host_keys: Mapping[str, str]) -> dict[str, Certificate]:
    """Path -> certificate; :class:`KeyFormatError` if one is for a key that the host does not have.

    ``host_keys`` has the public keys of the host by the path of the private one.
    """
    owners = {parse(public).blob: path for path, public in host_keys.items()}
    made = {}
    for line in trust.host_certificates:
        certificate = parse_certificate(line)
        if certificate.key not in owners:
            raise KeyFormatError(
                f"sshd_host_certificates: found '{certificate.key_id}', which certifies {_name(certificate.key)}; expected a key "
                f"of this host ({', '.join(sorted(map(_name, owners))) or 'it has none yet'}). Sign the key that the host has"
            )
        made[f"{FOLDER}/{owners[certificate.key].rpartition('/')[2]}-cert.pub"] = certificate
    return made


def blobs(lines: Iterable[str]) -> frozenset[bytes]:
    """The keys themselves, for comparison; lines that are none are left out."""
    found = set()
    for line in lines:
        try:
            found.add(parse(line).blob)
        except KeyFormatError:
            continue
    return frozenset(found)


def _key(line: str) -> str:
    found = problem(line)
    return found or ("found options; expected the line of a .pub file" if parse(line).options else "")


def _certificate_problem(line: str, now: float) -> str:
    try:
        certificate = parse_certificate(line)
    except KeyFormatError as error:
        return str(error)
    if not certificate.host:
        return f"'{certificate.key_id}' is the certificate of a person; expected one of a host, signed with 'ssh-keygen -h'"
    if certificate.valid_before <= now:
        day = time.strftime("%Y-%m-%d", time.gmtime(certificate.valid_before))
        return f"'{certificate.key_id}' expired on {day}; expected one that is valid; sign the host's key again"
    return problem(certificate.authority.line)


def _name(blob: bytes) -> str:
    return PublicKey("", "", blob, "", 0).fingerprint
