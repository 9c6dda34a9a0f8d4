# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate by the ACME protocol (RFC 8555), which certbot gets and renews. Private to this collection."""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import Collection

from .._host.files import read_file
from .._host.runner import RefusedError, Runner

NAME = "research-server"
LIVE = f"/etc/letsencrypt/live/{NAME}"
CERTIFICATE, KEY = f"{LIVE}/fullchain.pem", f"{LIVE}/privkey.pem"
RENEWAL = f"/etc/letsencrypt/renewal/{NAME}.conf"
# certbot puts there what the authority asks for at port 80 (RFC 8555, 8.3).
WEBROOT = "/var/lib/research-server/acme"
TIMER = "certbot.timer"
HTTP = 80
# certbot renews with a third of its life left (older ones: 30 days). With less than this much, it has failed to for long.
LATE, LATE_SECONDS = 0.2, 18 * 86400
# The end of what certbot writes has the authority's reason.
SAID_LINES = 12


def lacking(host: Runner, directory: str, names: Collection[str]) -> str:
    """Why there has to be a certificate; empty if the one that is there will do."""
    if not (os.path.exists(CERTIFICATE) and os.path.exists(KEY)):
        return "none"
    if _server() != directory:
        return "one from elsewhere"
    said = host.run("openssl", "x509", "-in", CERTIFICATE, "-noout", "-startdate", "-enddate", "-ext", "subjectAltName")
    fields = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("not"))
    begin, end = (ssl.cert_time_to_seconds(fields[name]) for name in ("notBefore", "notAfter"))
    if {word.removeprefix("DNS:").rstrip(",") for word in said.split() if word.startswith("DNS:")} != set(names):
        return "one for other names"
    if end - time.time() < min(LATE * (end - begin), LATE_SECONDS):
        return f"one that ends on {time.strftime('%Y-%m-%d', time.gmtime(end))} and has not been renewed"
    return ""


def order(host: Runner, directory: str, email: str, names: Collection[str]) -> None:
    """Have certbot get one, and renew it from then on. nginx serves what the authority asks for."""
    os.makedirs(WEBROOT, mode=0o755, exist_ok=True)
    account = ("--email", email) if email else ("--register-unsafely-without-email",)
    where = ("--server", directory, "--webroot", "--webroot-path", WEBROOT, "--cert-name", NAME)
    how = ("--key-type", "ecdsa", "--renew-with-new-domains", "--deploy-hook", "systemctl reload nginx")
    # certbot does not see that another authority is asked, and keeps what it has; it needs a second word to go to one for tests.
    # Nothing else is forced: authorities limit how often they certify the same names.
    forced = ("--force-renewal", "--break-my-certs") if _server() not in ("", directory) else ()
    domains = [word for name in names for word in ("--domain", name)]
    asked = ("certbot", "certonly", "--non-interactive", "--agree-tos", *account, *where, *how, *forced, *domains)
    rc, out, err = host.attempt(*asked)
    said = "\n".join([line for line in f"{out}\n{err}".splitlines() if line.strip()][-SAID_LINES:])
    if rc != 0:
        raise RefusedError(
            f"found no certificate for {', '.join(names)}: {directory} gave none; expected it to reach this host by these "
            f"names at port {HTTP}. What runs goes on. Correct what certbot says, and run again:\n{said}"
        )
    if why := lacking(host, directory, names):
        raise RefusedError(
            f"found {why} in {LIVE}, with which certbot is content; expected one of {directory} for {', '.join(names)}. What "
            f"runs goes on. Correct {RENEWAL}, and run again:\n{said}"
        )


def _server() -> str:
    """Directory of the authority whose certificate certbot renews; empty if there is none."""
    found = re.search(r"""^server = (["']?)(.*)\1$""", read_file(RENEWAL) or "", re.MULTILINE)
    return found[2] if found else ""


def forget(host: Runner) -> None:
    """What nobody wants any more is not renewed either."""
    host.run("certbot", "delete", "--non-interactive", "--cert-name", NAME)


def first(chain: str) -> bytes:
    """The server's own certificate, as TLS sends it."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(f"{chain.partition(end)[0].strip()}\n{end}\n") if end in chain else b""
