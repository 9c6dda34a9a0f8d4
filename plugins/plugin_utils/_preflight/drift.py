# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-checks of the variables of the role drift. Pure; no sentence has a secret in it. Private to this collection."""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from collections.abc import Mapping

KEY = re.compile(
    r"-----BEGIN (?:OPENSSH|RSA|EC|DSA|ENCRYPTED)? ?PRIVATE KEY-----\n.*\n-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
)
ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
SPAN = re.compile(r"[0-9][0-9a-z. ]*|infinity")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """Say what does not fit together, before anything is touched."""
    return [
        *_lines(variables),
        *_repository(variables),
        *_keys(variables),
        *_mail(variables),
        *_webhook(variables),
        *_rest(variables),
    ]


def _lines(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    """What goes into a line of a unit is one line."""
    for name in ("repository", "ref", "inventory", "limit", "schedule", "name", "python", "vault_password"):
        value = str(variables.get(f"drift_{name}") or "")
        if not value.isprintable():
            yield f"drift_{name}: found a sign that nobody sees, or a second line; expected one line"


def _repository(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    address = str(variables.get("drift_repository") or "")
    try:
        parts = urllib.parse.urlsplit(address)
        secret = parts.password is not None or (parts.scheme in ("http", "https") and parts.username is not None)
    except ValueError:
        secret = False
    if secret:
        yield (
            "drift_repository: found an address with a password or a token in it; expected one without: process lists would "
            "show it; use an address for SSH, and drift_deploy_key"
        )
    if address.startswith(("/home/", "/root/", "~", ".")):
        yield (
            f"drift_repository: found '{address}'; expected an address, or an absolute path that is not below /home or /root: "
            "the run does not see those folders"
        )


def _keys(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    for name, needed in (("drift_ssh_key", True), ("drift_deploy_key", False)):
        value = str(variables.get(name) or "").strip()
        if (needed or value) and not KEY.fullmatch(value):
            yield (
                f"{name}: found something else than a private key; expected the text of the file that ssh-keygen makes: "
                f"{name}: \"{{{{ lookup('ansible.builtin.file', PATH) }}}}\", or a block in a vault"
            )
    if not str(variables.get("drift_known_hosts") or "").strip():
        yield (
            "drift_known_hosts: found none; expected the host keys of the servers: the file known_hosts of whoever applies "
            "site.yml, or the lines of ssh-keyscan that somebody has compared"
        )


def _mail(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    mail = variables.get("drift_notify_mail") or {}
    for address in [*mail.get("to", []), *([mail["from"]] if "from" in mail else [])]:
        if not ADDRESS.fullmatch(str(address)):
            yield f"drift_notify_mail: found '{address}'; expected an address such as ops@lab.example"
    if mail and not mail.get("to"):
        yield "drift_notify_mail: found nobody in 'to'; expected at least one address"


def _webhook(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    webhook = variables.get("drift_notify_webhook") or {}
    if not webhook:
        return
    schemes = ("https", "http") if webhook.get("allow_http") else ("https",)
    try:
        parts = urllib.parse.urlsplit(str(webhook.get("url") or ""))
        fits = parts.scheme in schemes and bool(parts.hostname) and parts.username is None
    except ValueError:
        fits = False
    if not fits:
        yield (
            "drift_notify_webhook: url: expected an address that begins with https:// and has no user name in it; in a network "
            "of your own, 'allow_http: true' lets it begin with http://"
        )


def _rest(variables: Mapping[str, t.Any]) -> t.Iterator[str]:
    for name in ("random_delay", "time_limit"):
        value = str(variables.get(f"drift_{name}") or "")
        if not SPAN.fullmatch(value):
            yield f"drift_{name}: found '{value}'; expected a time span of systemd, such as 30min or 2h"
    for name, least in (("alarm_after", 1), ("keep_days", 1)):
        number = variables.get(f"drift_{name}")
        if not isinstance(number, int) or number < least:
            yield f"drift_{name}: found '{number}'; expected a number from {least} on"
    folder = str(variables.get("drift_notify_textfile") or "")
    if folder and not (folder.startswith("/") and folder.isprintable()):
        yield f"drift_notify_textfile: found '{folder}'; expected the absolute path of a folder"
    for key, value in (variables.get("drift_environment") or {}).items():
        if not VARIABLE.fullmatch(str(key)) or not str(value).isprintable():
            yield f"drift_environment: found '{key}'; expected names of environment variables, with values on one line"
