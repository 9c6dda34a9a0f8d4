# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person puts into Chromium for servers with a certificate of the lab's own authority, by the commands of docs/web.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debian_packages import need
from shell import TestbedError, is_root, run

POLICIES = Path("/etc/chromium/policies/managed")
SECONDS = 60


def trust(home: Path, authority: Path) -> None:
    """The browser of who lives there knows servers by this authority's certificate."""
    _certutil(home, "-A", "-t", "C,,", "-n", "the lab", "-i", authority)


def own(home: Path, certificate: Path) -> None:
    """Their browser has this certificate and its key to show."""
    packed, word = home / "web.p12", "a word for the way"
    run(["openssl", "pkcs12", "-export", "-in", certificate, "-out", packed, "-passout", f"pass:{word}"], timeout=SECONDS)
    run(["pk12util", "-d", _database(home), "-i", packed, "-W", word], timeout=SECONDS)


@contextmanager
def shown_unasked(address: str) -> Iterator[None]:
    """Browsers of this machine show the certificate that they have to this address; without it they ask which, and nobody answers."""
    if not is_root():
        raise TestbedError(f"{POLICIES} is root's. Run this as root", status=2)
    rule = POLICIES / "research-server-test.json"
    POLICIES.mkdir(parents=True, exist_ok=True)
    rule.write_text(
        json.dumps({"AutoSelectCertificateForUrls": [json.dumps({"pattern": address, "filter": {}})]}), encoding="utf-8"
    )
    try:
        yield
    finally:
        rule.unlink()


def _certutil(home: Path, *words: str | Path) -> None:
    run(["certutil", "-d", _database(home), *words], timeout=SECONDS)


def _database(home: Path) -> str:
    """Of NSS, from which Chromium reads on Linux; made if it is not there."""
    need("certutil", "libnss3-tools")
    folder = home / ".pki" / "nssdb"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        run(["certutil", "-d", f"sql:{folder}", "-N", "--empty-password"], timeout=SECONDS)
    return f"sql:{folder}"
