# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Post a message to a webhook, as JSON. Private to this collection.

The address of a webhook is often a secret itself: no message of this module has more of it than the name of the host.
"""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from .errors import RejectedError, UnavailableError

SECONDS = 30
# Answers that ask for patience (RFC 9110, RFC 6585), besides all of the server's own errors.
LATER = (408, 425, 429)
KNOWN = {"url", "headers", "allow_http"}


class Webhook(t.NamedTuple):
    url: str
    headers: Mapping[str, str]

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).hostname or ""


def read(path: Path) -> Webhook:
    """Raises ValueError that does not tell what is in the file."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; expected a file with the address of the webhook") from error
    except ValueError as error:
        raise ValueError(f'{path}: found no JSON; expected {{"url": "https://..."}}') from error
    if not isinstance(told, dict) or not isinstance(told.get("url"), str) or set(told) - KNOWN:
        raise ValueError(f"{path}: expected an object with 'url', and if need be 'headers' and 'allow_http'")
    headers = told.get("headers") or {}
    if not isinstance(headers, dict) or not all(_is_header(name, value) for name, value in headers.items()):
        raise ValueError(f"{path}: headers: expected names with values, each on one line")
    schemes = ("https", "http") if told.get("allow_http") else ("https",)
    try:
        parts = urllib.parse.urlsplit(told["url"])
        fits = parts.scheme in schemes and bool(parts.hostname) and parts.username is None and told["url"].isprintable()
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{path}: url: expected one that begins with https:// and has no user name in it; "
            "what travels over http can be read by others: 'allow_http' if it does not leave the machine or a network of your own"
        )
    return Webhook(told["url"], headers)


def _is_header(name: str, value: t.Any) -> bool:
    return isinstance(value, str) and name.isascii() and name.replace("-", "").isalnum() and value.isprintable()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET without the message, and may lead anywhere."""

    def redirect_request(self, *_arguments: t.Any, **_options: t.Any) -> None:
        return None


def send(told: Mapping[str, t.Any], webhook: Webhook, *, seconds: float = SECONDS) -> None:
    """Post it. Raises UnavailableError, RejectedError."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "research-server-drift",
        # A message may come twice, when an answer got lost: the receiver knows it by this.
        "Idempotency-Key": str(told["id"]),
        **webhook.headers,
    }
    request = urllib.request.Request(webhook.url, data=json.dumps(told).encode(), headers=headers, method="POST")  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        why = f"{webhook.host} answered {error.code}"
        if error.code >= 500 or error.code in LATER:
            raise UnavailableError(why) from None
        way_out = "name the address that it leads to" if 300 <= error.code < 400 else "look at its address and its headers"
        raise RejectedError(f"{why}; expected 200 to 299; {way_out}") from None
    except urllib.error.URLError as error:
        raise UnavailableError(f"{webhook.host}: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{webhook.host}: {type(error).__name__}") from None
